import { parentPort, threadId, workerData } from "node:worker_threads";
import type { DeviceMessage, DeviceThreadData } from "./device-messages.ts";
import { deviceBuffers, DeviceService, type DeviceStep } from "./device-service.ts";

/** A thread that reads the device with blocking calls and answers what it can by itself, until the device is gone. */

const service = new DeviceService(
  // The one who starts this thread gives exactly this.
  workerData as DeviceThreadData,
  { buffers: deviceBuffers(), reader: threadId, tell },
);
tell({ kind: "ready" });
let step: DeviceStep = "served";
while (step === "served" || step === "empty") step = service.step();
tell({ kind: "end", code: step });

function tell(message: DeviceMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  parentPort?.postMessage(message);
}
