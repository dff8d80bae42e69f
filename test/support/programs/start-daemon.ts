/** A command that starts a daemon, says its number and ends, or waits to be killed: `SETTINGS wait|end`. */
import { pathToFileURL } from "node:url";
import type { spawnDaemon as SpawnDaemon } from "../../../src/mount/spawn-daemon.ts";
import { compiled } from "./compiled.ts";

const { spawnDaemon } = (await compiled("mount/spawn-daemon")) as { spawnDaemon: typeof SpawnDaemon };
const payload = JSON.parse(process.argv[2] ?? "{}") as object;
const daemon = await spawnDaemon({
  entry: pathToFileURL(new URL("memory-daemon.js", import.meta.url).pathname),
  payload,
  timeoutMs: 60_000,
  onNotice: (_level, message) => console.log(JSON.stringify({ notice: message })),
});
console.log(JSON.stringify({ pid: daemon.pid }));
if (process.argv[3] === "wait") setInterval(() => undefined, 1000);
