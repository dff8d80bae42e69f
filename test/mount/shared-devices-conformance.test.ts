import { mountConformance } from "../conformance/mount.ts";

mountConformance({ backend: "shared", interrupts: true, rawNames: true });
