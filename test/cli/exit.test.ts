import { closeSync, openSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { asRiffleError, bugTrail, errorJson, errorLine, EXIT_CODES, hintOf, oneLine } from "../../src/cli/exit.ts";
import { RiffleError, type ErrorCode } from "../../src/errors.ts";

const caught = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

test("the table of exit codes is INTERFACE's", () => {
  expect(EXIT_CODES).toEqual({
    usage: 2,
    "not-yet": 2,
    "not-found": 3,
    credentials: 4,
    policy: 5,
    verification: 6,
    malformed: 6,
    unsupported: 1,
    unreachable: 7,
    misbehaved: 7,
    timeout: 7,
    machine: 8,
    permission: 8,
    disk: 8,
    exists: 1,
    closed: 1,
    aborted: 130,
    internal: 1,
  });
});

test.each(Object.keys(EXIT_CODES) as ErrorCode[])("%s: one line with a hint", (code) => {
  const error = new RiffleError(code, "tag v2 is\nnot\u001b[31mthere\u2028now");
  expect(hintOf(error)).not.toBe("");
  expect(errorLine(error, "ls")).toBe(`riffle: ls: tag v2 is not [31mthere now (${hintOf(error)})`);
});

test("the JSON form has the four members, and the caller's hint first", () => {
  const error = new RiffleError("not-found", "no tag v2", { hint: "try v1", facts: { tag: "v2" } });
  expect(JSON.parse(errorJson(error))).toEqual({
    error: { code: "not-found", message: "no tag v2", hint: "try v1", facts: { tag: "v2" } },
  });
});

test.each([
  [(): unknown => openSync("/nonexistent/file", "r"), "not-found", "/nonexistent/file: no such file or directory"],
  [(): unknown => writeFileSync("/proc/self", ""), "exists", "/proc/self: is a directory"],
])("%#: errors of the system say what and where", (work, code, message) => {
  const error = asRiffleError(caught(work));
  expect([error.code, error.message, bugTrail(error)]).toEqual([code, message, undefined]);
});

test.each(["ENOSPC", "EDQUOT", "EIO"])("%s is the disk's", (code) => {
  const error = asRiffleError(Object.assign(new Error(code), { code, syscall: "write" }));
  expect([error.code, EXIT_CODES[error.code]]).toEqual(["disk", 8]);
});

test("a bug keeps its trail; an error that explains itself has none", () => {
  const bug = asRiffleError(new TypeError("x is undefined"));
  expect([bug.code, bugTrail(bug)?.includes("exit.test.ts")]).toEqual(["internal", true]);
  expect(bugTrail(new RiffleError("usage", "no"))).toBeUndefined();
  expect(asRiffleError("text").code).toBe("internal");
});

test("an abort keeps the signal's own reason", () => {
  const stop = AbortSignal.abort(new RiffleError("aborted", "interrupted"));
  const error = Object.assign(new Error("The operation was aborted", { cause: stop.reason }), { name: "AbortError" });
  expect(asRiffleError(error)).toBe(stop.reason);
});

test("oneLine leaves no control character", () => {
  expect(oneLine("a\r\n\tb\u0000c\u009bd")).toBe("a b c d");
  closeSync(openSync("/dev/null", "r"));
});
