import { expect, test } from "vitest";
import { entryJson, modeText } from "../../../src/cli/commands/ls.ts";
import { accountingText, fillIn } from "../../../src/cli/commands/run.ts";
import { formatOf } from "../../../src/cli/format-names.ts";
import { mountTable } from "../../../src/cli/mount-rows.ts";
import { sessionReport } from "../../../src/mount/sessions.ts";
import { mayColour } from "../../../src/cli/paint.ts";
import { createProgress } from "../../../src/cli/progress.ts";

test.each([
  ["file", 0o444, "-r--r--r--"],
  ["directory", 0o755, "drwxr-xr-x"],
  ["symlink", 0o777, "lrwxrwxrwx"],
  ["file", 0o4755, "-rwsr-xr-x"],
  ["file", 0o2644, "-rw-r-Sr--"],
  ["directory", 0o1777, "drwxrwxrwt"],
] as const)("%s %i is %s", (type, mode, text) => expect(modeText({ type, mode })).toBe(text));

test("ls --json has exactly the six members", () => {
  const entry = { path: "a/b", type: "file", size: 3, mode: 0o100444, mtime: 12.7, digest: "sha256:x" } as const;
  expect(entryJson(entry)).toBe('{"path":"a/b","type":"file","size":3,"mode":292,"mtime":12,"digest":"sha256:x"}');
  const directory = { path: "a", type: "directory", size: 0, mode: 0o555, mtime: 0 } as const;
  expect(entryJson(directory)).toBe('{"path":"a","type":"directory","size":0,"mode":365,"mtime":0,"digest":null}');
});

test("every {} in an argument is the mount, whatever its path holds", () => {
  expect(fillIn(["a", "{}", "x={}/{}", "$&"], "/tmp/$&")).toEqual(["a", "/tmp/$&", "x=/tmp/$&//tmp/$&", "$&"]);
});

test.each([
  ["data/trips.PARQUET", undefined, "Parquet"],
  ["a.tar.gz", "application/octet-stream", "tar.gz"],
  ["store/zarr.json", undefined, "Zarr"],
  ["layer", "application/vnd.oci.image.layer.v1.tar+gzip", "tar.gz"],
  ["layer", "image/tiff; application=geotiff", "TIFF"],
  [".gz", undefined, undefined],
  ["README", "application/octet-stream", undefined],
])("%s of %s is %s", (path, mediaType, format) => expect(formatOf(path, mediaType)).toBe(format));

const dead = {
  status: "dead",
  mountpoint: `/mnt/${"long/".repeat(30)}end`,
  device: "0:42",
  reference: "localhost:5000/a@sha256:00ff",
  stored: undefined,
  stats: undefined,
} as const;

test("a dead mount has the shape of all", () => {
  const stats = sessionReport(dead);
  expect(stats).toMatchObject({ state: "dead", digest: "sha256:00ff", amplification: null, reads: 0 });
  const live = sessionReport({ ...dead, status: "ready", stats: { reads: 5, state: "ready", pid: 7 } });
  expect(Object.keys(live).toSorted()).toEqual(Object.keys(stats).toSorted());
  expect([live.reads, live.pid]).toEqual([5, 7]);
});

test("no path in the table is ever cut", () => {
  const [head, row] = mountTable([sessionReport(dead)]);
  expect(row?.startsWith(`${dead.mountpoint}  ${dead.reference}  dead`)).toBe(true);
  expect(head?.indexOf("REFERENCE")).toBe(row?.indexOf(dead.reference));
});

test("colours need a terminal and no NO_COLOR", () => {
  expect(mayColour(true, {})).toBe(true);
  expect([mayColour(false, {}), mayColour(true, { NO_COLOR: "1" }), mayColour(true, { TERM: "dumb" })]).toEqual([
    false,
    false,
    false,
  ]);
});

test("progress speaks to terminals alone, and clears its line", () => {
  const said: string[] = [];
  const write = (text: string): void => void said.push(text);
  let now = 0;
  const options = { quiet: false, totalBytes: 100, what: "pulling", nowMs: () => now };
  const silent = createProgress({ ...options, notes: { isTerminal: false, write } });
  silent.add(5, false);
  silent.end();
  createProgress({ ...options, quiet: true, notes: { isTerminal: true, write } }).add(5, false);
  expect(said).toEqual([]);
  const shown = createProgress({ ...options, notes: { isTerminal: true, write } });
  now = 1000;
  shown.add(50, false);
  now = 1001;
  shown.add(10, false);
  shown.end();
  expect(said).toEqual(["\r\u001b[Kpulling: 50 % of 100 B, 50 B/s", "\r\u001b[K"]);
});

test("the line of accounting counts in English, and says what it cannot count", () => {
  const stats = sessionReport({ ...dead, status: "ready", stats: { reads: 1, bytesRead: 6, requests: 2, errors: 1 } });
  expect(accountingText(stats)).toBe("riffle: 1 read of 6 B; 2 requests for 0 B; 1 error");
  const fetched = { bytesFetched: 1500, bytesFetchedByKind: { token: 0, manifest: 900, blob: 600, other: 0 } };
  expect(accountingText({ ...stats, ...fetched, amplification: 1.5 })).toContain(
    "2 requests for 1.5 KiB (file bytes: 600 B, 1.5 x); ",
  );
  expect(accountingText({ ...stats, passthrough: true })).toContain("and what the kernel read of whole cached files;");
});
