import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { processIdentity, processState } from "../../src/mount/process-identity.ts";
import {
  parseSessionState,
  readSessionStates,
  removeSessionState,
  writeSessionState,
  type SessionState,
} from "../../src/mount/session-state.ts";
import { cleanStale, listSessions } from "../../src/mount/sessions.ts";

const isRoot = process.getuid?.() === 0;
let directory = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "riffle-state-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function self(): SessionState["process"] {
  const identity = processIdentity(process.pid);
  if (identity === undefined) throw new Error("this process has no identity");
  return identity;
}

function sample(changes: Partial<SessionState> = {}): SessionState {
  return {
    protocol: 1,
    mountpoint: "/mnt/a b",
    process: self(),
    dedicated: true,
    reference: "localhost:5000/eo/scenes@sha256:aa",
    digest: "sha256:aa",
    backend: "kernel",
    device: "0:4711",
    since: "2026-01-01T00:00:00Z",
    socket: join(directory, "x.sock"),
    ...changes,
  };
}

test("what is written is read back, readable by this user alone, and no draft stays", () => {
  const file = writeSessionState(directory, sample({ log: "/var/log/x" }));
  writeSessionState(directory, sample({ log: "/var/log/y" }));
  expect(readSessionStates(directory)).toEqual([{ file, state: sample({ log: "/var/log/y" }) }]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(directory)).toHaveLength(1);
  removeSessionState(file);
  expect(readSessionStates(directory)).toEqual([]);
});

test("a missing directory holds no sessions and is made 0700 by the first one", () => {
  const fresh = join(directory, "a", "riffle");
  expect(readSessionStates(fresh)).toEqual([]);
  writeSessionState(fresh, sample());
  expect(statSync(fresh).mode & 0o777).toBe(0o700);
});

test("a directory that is open to others is refused, for reading and for writing", () => {
  chmodSync(directory, 0o770);
  expect(() => readSessionStates(directory)).toThrow(/open to others \(mode 770\)/);
  expect(() => writeSessionState(directory, sample())).toThrow(/open to others/);
});

test("a symbolic link in the directory's place is refused", () => {
  symlinkSync(directory, `${directory}-link`);
  try {
    expect(() => readSessionStates(`${directory}-link`)).toThrow(/is not a directory/);
  } finally {
    unlinkSync(`${directory}-link`);
  }
});

test.skipIf(!isRoot)("a directory of another user is refused (needs root)", () => {
  chownSync(directory, 12_345, 12_345);
  expect(() => readSessionStates(directory)).toThrow(/belongs to user 12345/);
});

test("corrupt, oversized, open and linked files are left out", () => {
  const good = writeSessionState(directory, sample());
  const put = (name: string, text: string, mode = 0o600): void => writeFileSync(join(directory, name), text, { mode });
  put("session-1-0-1.json", "{");
  put("session-2-0-2.json", JSON.stringify(sample()).padEnd(70_000));
  put("session-3-0-3.json", JSON.stringify(sample()), 0o644);
  put("other.json", JSON.stringify(sample()));
  symlinkSync(good, join(directory, "session-4-0-4.json"));
  expect(readSessionStates(directory).map(({ file }) => file)).toEqual([good]);
});

test("no text makes the parser throw, and what it accepts has every member", () => {
  const word = fc.oneof(fc.constant("/a"), fc.constant("0:1"), fc.integer(), fc.string(), fc.constant(undefined));
  const wild = fc.record({
    mountpoint: word,
    socket: word,
    device: word,
    process: fc.oneof(word, fc.object()),
    log: word,
  });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        wild.map((value) => JSON.stringify({ ...sample(), ...value })),
      ),
      (text) => {
        const state = parseSessionState(text);
        if (state === undefined) return;
        expect(state.mountpoint.startsWith("/")).toBe(true);
        expect(state.socket.startsWith("/")).toBe(true);
        expect(state.device).toMatch(/^\d+:\d+$/);
        expect(Number.isSafeInteger(state.process.pid)).toBe(true);
      },
    ),
  );
});

test("a process is told from a later one of its number, an earlier boot and another namespace", async () => {
  const me = self();
  expect(processState(me)).toBe("running");
  expect(processState({ ...me, start: String(Number(me.start) + 1) })).toBe("gone");
  expect(processState({ ...me, world: `other-boot/${me.world.split("/")[1] ?? ""}` })).toBe("gone");
  expect(processState({ ...me, world: `${me.world.split("/")[0] ?? ""}/pid:[1]` })).toBe("elsewhere");
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  const identity = processIdentity(child.pid ?? 0);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(identity === undefined ? "none" : processState(identity)).toBe("gone");
});

test("state of a killed process whose mount is gone is cleaned; of a living one and of another namespace it stays", async () => {
  const gone = { ...self(), start: "1" };
  const socket = join(directory, "left.sock");
  writeFileSync(socket, "not a socket");
  writeSessionState(directory, sample({ process: gone, device: "0:1", socket }));
  const elsewhere = { ...self(), world: `${self().world.split("/")[0] ?? ""}/pid:[1]` };
  const kept = [
    writeSessionState(directory, sample({ device: "0:2" })),
    writeSessionState(directory, sample({ device: "0:3", process: elsewhere })),
  ];
  await cleanStale(directory);
  expect(
    readSessionStates(directory)
      .map(({ file }) => file)
      .sort(),
  ).toEqual(kept.sort());
  // Only a socket is removed as one.
  expect(existsSync(socket)).toBe(true);
  expect((await listSessions({ directory })).filter(({ stored }) => stored !== undefined)).toEqual([]);
});
