import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cacheCheck, stateCheck } from "../../../src/cli/checks/folders.ts";
import { findProgram, isAtLeast, machineChecks } from "../../../src/cli/checks/machine.ts";

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "riffle-doctor-"))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ["v20.19.0", true],
  ["v20.18.9", false],
  ["v22.0.0", true],
  ["nonsense", false],
])("%s is new enough: %s", (version, answer) => expect(isAtLeast(version, 20, 19)).toBe(answer));

const statusOf = async (name: string, machine: Parameters<typeof machineChecks>[0]): Promise<string> => {
  const check = (await machineChecks(machine)).find((one) => one.name === name);
  return `${check?.status}: ${check?.message}`;
};

test("a machine that lacks things is told so, with a remedy for each", async () => {
  const fuseDevice = join(folder, "fuse");
  const machine = {
    environment: { PATH: folder },
    platform: "linux",
    nodeVersion: "v18.1.0",
    kernelRelease: "4.19.0",
    uid: 1000,
    fuseDevice,
    fuseConfiguration: join(folder, "fuse.conf"),
  };
  const checks = await machineChecks(machine);
  const failed = checks.filter(({ status }) => status === "fail").map(({ name }) => name);
  expect(failed).toEqual(expect.arrayContaining(["node", "kernel", fuseDevice, "fusermount3"]));
  for (const { status, remedy } of checks) if (status !== "ok") expect(remedy).toBeTruthy();
  writeFileSync(fuseDevice, "", { mode: 0o600 });
  expect(await statusOf(fuseDevice, machine)).toBe("fail: is no device (mode 0600)");
  writeFileSync(machine.fuseConfiguration, "# user_allow_other\n");
  expect(await statusOf("allow-other", machine)).toContain("warn");
  writeFileSync(machine.fuseConfiguration, "mount_max = 10\nuser_allow_other\n");
  expect(await statusOf("allow-other", machine)).toContain("ok");
});

test.each([
  ["5.1.0", "fail"],
  ["5.4.0", "ok"],
  ["6.8.0-generic", "ok"],
  ["6.18.44", "ok"],
])("Linux %s: %s", async (kernelRelease, status) => {
  expect(await statusOf("kernel", { environment: {}, platform: "linux", kernelRelease, uid: 0 })).toContain(status);
});

test("a program is found by PATH, if it can be run", () => {
  const program = join(folder, "tool");
  writeFileSync(program, "");
  expect(findProgram("tool", `/nonexistent:${folder}`)).toBeUndefined();
  chmodSync(program, 0o755);
  expect(findProgram("tool", `/nonexistent:${folder}`)).toBe(program);
});

test("folders are judged without being made", () => {
  const cache = join(folder, "deep/cache");
  expect(cacheCheck(cache).status).toBe("ok");
  expect(stateCheck("state", join(folder, "deep/state")).status).toBe("ok");
  mkdirSync(join(folder, "open/v1"), { recursive: true });
  chmodSync(join(folder, "open/v1"), 0o777);
  expect(cacheCheck(join(folder, "open")).status).toBe("warn");
  expect(cacheCheck(join(folder, "deep/cache")).message).toContain(cache);
});
