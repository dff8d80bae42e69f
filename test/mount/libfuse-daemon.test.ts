import { daemonEndings } from "../conformance/daemon-endings.ts";

daemonEndings("libfuse");
