import { mountConformance } from "../conformance/mount.ts";

mountConformance({ backend: "kernel", interrupts: true, rawNames: true });
