import { constants } from "node:os";
import { expect, test } from "vitest";
import { RiffleError, type ErrorCode } from "../../src/errors.ts";
import { errnoOf } from "../../src/mount/errno.ts";

test.each<[ErrorCode, number]>([
  ["unreachable", constants.errno.EIO],
  ["verification", constants.errno.EIO],
  ["timeout", constants.errno.EIO],
  ["aborted", constants.errno.EINTR],
  ["not-yet", constants.errno.EOPNOTSUPP],
])("%s", (code, errno) => {
  expect(errnoOf(new RiffleError(code, "x"))).toBe(errno);
});

test("what is no RiffleError is EIO, and so is a code from a newer version", () => {
  expect(errnoOf(new Error("bug"))).toBe(constants.errno.EIO);
  expect(errnoOf("text")).toBe(constants.errno.EIO);
  expect(errnoOf(Object.assign(new Error("x"), { name: "RiffleError", code: "novel" }))).toBe(constants.errno.EIO);
});
