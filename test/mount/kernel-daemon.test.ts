import { daemonEndings } from "../conformance/daemon-endings.ts";

daemonEndings("kernel");
