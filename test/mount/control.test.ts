import { once } from "node:events";
import { existsSync, mkdtempSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RiffleError } from "../../src/errors.ts";
import { askDaemon } from "../../src/mount/control-client.ts";
import { decodeRequest, decodeResponse, fromWireError, toWireError } from "../../src/mount/control-protocol.ts";
import { startControlServer, type ControlServer } from "../../src/mount/control-server.ts";

let directory = "";
let server: ControlServer | undefined;
let fake: Server | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "riffle-control-"));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  if (fake !== undefined) await new Promise((resolve) => fake?.close(resolve));
  fake = undefined;
  rmSync(directory, { recursive: true, force: true });
});

async function serve(handle: Parameters<typeof startControlServer>[0]["handle"], where = directory): Promise<string> {
  server = await startControlServer({ directory: where, handle });
  return server.path;
}

/** What a peer that writes `bytes` gets back before the connection ends. */
async function raw(path: string, bytes: Uint8Array | string): Promise<string> {
  const socket = connect(path);
  socket.on("error", () => undefined);
  let text = "";
  socket.on("data", (chunk) => (text += chunk.toString("utf8")));
  socket.write(bytes);
  socket.end();
  await once(socket, "close");
  return text;
}

const timeoutMs = 5000;

test("a request is answered, an error keeps its code, hint and facts", async () => {
  const path = await serve(async (request) => {
    if (request.op === "unmount") {
      throw new RiffleError("exists", "/mnt is in use", { hint: "use --lazy", facts: { lazy: request.lazy } });
    }
    return { op: request.op };
  });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(await askDaemon(path, { op: "stats" }, { timeoutMs })).toEqual({ op: "stats" });
  await expect(askDaemon(path, { op: "unmount", lazy: true }, { timeoutMs })).rejects.toMatchObject({
    code: "exists",
    message: "/mnt is in use",
    hint: "use --lazy",
    facts: { lazy: true },
  });
  await server?.close();
  server = undefined;
  expect(readdirSync(directory)).toEqual([]);
  await expect(askDaemon(path, { op: "ping" }, { timeoutMs })).rejects.toMatchObject({ code: "closed" });
});

test("a path over 107 bytes is replaced by a short one, whose directory goes with it", async () => {
  const deep = join(directory, "d".repeat(120));
  mkdirSync(deep, { mode: 0o700 });
  const path = await serve(async () => ({}), deep);
  expect(Buffer.byteLength(path)).toBeLessThanOrEqual(107);
  expect(await askDaemon(path, { op: "ping" }, { timeoutMs })).toEqual({});
  await server?.close();
  server = undefined;
  expect(existsSync(dirname(path))).toBe(false);
});

test("no bytes that are not a request reach the handler, and the server answers the next one", async () => {
  const seen: unknown[] = [];
  const path = await serve(async (request) => {
    seen.push(request);
    return {};
  });
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (text) => {
      const answer = await raw(path, `${text.replaceAll("\n", " ")}\n`);
      expect(JSON.parse(answer)).toMatchObject({ v: 1, ok: false });
    }),
    { numRuns: 50 },
  );
  const long = JSON.parse(await raw(path, "x".repeat(5000))) as { error: { message: string } };
  expect(long.error.message).toBe("control request too long");
  expect(await raw(path, "no newline")).toBe("");
  expect(seen).toEqual([]);
  expect(await askDaemon(path, { op: "ping" }, { timeoutMs })).toEqual({});
});

test("another protocol version is told so on both sides", async () => {
  const path = await serve(async () => ({}));
  const answer = JSON.parse(await raw(path, '{"v":2,"op":"ping"}\n')) as { error: { code: string; message: string } };
  expect(answer.error).toMatchObject({ code: "machine", message: "control protocol version 2 meets version 1" });
  expect(() => decodeResponse('{"v":7,"ok":true,"result":{}}')).toThrow(/version 7 meets version 1/);
});

test("a daemon that never answers, answers nonsense or too much is an error in time", async () => {
  const path = join(directory, "fake.sock");
  let answer: string | undefined;
  fake = createServer((socket) => {
    socket.on("error", () => undefined).resume();
    if (answer !== undefined) socket.end(answer);
  });
  fake.listen(path);
  await once(fake, "listening");
  await expect(askDaemon(path, { op: "ping" }, { timeoutMs: 50 })).rejects.toMatchObject({ code: "timeout" });
  answer = "[]\n";
  await expect(askDaemon(path, { op: "ping" }, { timeoutMs })).rejects.toMatchObject({ code: "misbehaved" });
  answer = '{"v":1';
  await expect(askDaemon(path, { op: "ping" }, { timeoutMs })).rejects.toMatchObject({ code: "closed" });
  answer = "x".repeat(1024 * 1024 + 1);
  await expect(askDaemon(path, { op: "ping" }, { timeoutMs })).rejects.toMatchObject({ code: "misbehaved" });
  const controller = new AbortController();
  answer = undefined;
  const waiting = askDaemon(path, { op: "ping" }, { timeoutMs, signal: controller.signal });
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: "aborted" });
});

test("errors of unknown codes and of other kinds become internal", () => {
  expect(toWireError(new TypeError("x is not a function"))).toEqual({
    code: "internal",
    message: "x is not a function",
  });
  const response = decodeResponse(
    '{"v":1,"ok":false,"error":{"code":"toString","message":"m","facts":{"a":{},"b":1}}}',
  );
  expect(response).toEqual({ ok: false, error: { code: "internal", message: "m", facts: { b: 1 } } });
  expect(fromWireError({ code: "disk", message: "m", hint: "h" })).toMatchObject({ code: "disk", hint: "h" });
  expect(decodeRequest('{"v":1,"op":"unmount","lazy":"yes"}')).toEqual({ op: "unmount", lazy: false });
});
