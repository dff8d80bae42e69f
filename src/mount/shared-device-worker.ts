import { readSync } from "node:fs";
import { parentPort, receiveMessageOnPort, threadId, workerData } from "node:worker_threads";
import type {
  DeviceMessage,
  SharedDeviceMessage,
  SharedDeviceOrder,
  SharedDeviceThreadData,
} from "./device-messages.ts";
import { deviceBuffers, DeviceService } from "./device-service.ts";
import { loadNative } from "./native.ts";

/** A thread that serves many devices, none of which blocks, until it is told to end and the last of them is gone. */

interface Device {
  readonly id: number;
  readonly descriptor: number;
  readonly service: DeviceService;
}

/** Of one device before others have their turn. */
const TURN = 16;
const WAKE_BYTES = 64;
/** A thread that waits in the kernel cannot be stopped: this long may `process.exit` have to wait for it. */
const WAIT_MS = 250;

// The one who starts this thread gives exactly this.
const { wake } = workerData as SharedDeviceThreadData;
const native = await loadNative();
const buffers = deviceBuffers();
const wakeBytes = new Uint8Array(WAKE_BYTES);
let devices: readonly Device[] = [];
let isEnding = false;

tell({ id: 0, message: { kind: "ready" } });
while (!isEnding || devices.length > 0) {
  const ready = native.poll([wake, ...devices.map(({ descriptor }) => descriptor)], WAIT_MS);
  if (ready.has(wake)) obey();
  const ended = devices.filter(({ descriptor, ...device }) => ready.has(descriptor) && !turn(device));
  if (ended.length > 0) devices = devices.filter((device) => !ended.includes(device));
}

/** False once the device is gone. */
function turn({ id, service }: Omit<Device, "descriptor">): boolean {
  for (let served = 0; served < TURN; served += 1) {
    const step = service.step();
    if (step === "served") continue;
    if (step === "empty") return true;
    tell({ id, message: { kind: "end", code: step } });
    return false;
  }
  return true;
}

function obey(): void {
  readSync(wake, wakeBytes, 0, WAKE_BYTES, null);
  if (parentPort === null) return;
  for (let next = receiveMessageOnPort(parentPort); next !== undefined; next = receiveMessageOnPort(parentPort)) {
    // shared-devices.ts sends nothing else
    const order = next.message as SharedDeviceOrder;
    if (order.kind === "end") isEnding = true;
    else add(order.id, order.data);
  }
}

function add(id: number, data: Extract<SharedDeviceOrder, { kind: "add" }>["data"]): void {
  const say = (message: DeviceMessage): void => tell({ id, message });
  const service = new DeviceService(data, { buffers, reader: threadId, tell: say });
  devices = [...devices, { id, descriptor: data.device, service }];
  say({ kind: "ready" });
}

function tell(message: SharedDeviceMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  parentPort?.postMessage(message);
}
