import { mountConformance } from "../conformance/mount.ts";

mountConformance({ backend: "libfuse", interrupts: false, rawNames: false });
