import { expect, test } from "vitest";
import type { Entry } from "../../../src/artifact/artifact.ts";
import { planCopy, type Destination } from "../../../src/cli/transfer/copy-plan.ts";

const entry = (path: string, type: Entry["type"] = "file", size = 1): Entry => ({
  path,
  type,
  size,
  mode: 0o444,
  mtime: 0,
});
const root = entry("", "directory", 0);
const tree = [
  entry("a.txt"),
  entry("d", "directory", 0),
  entry("d/b.txt"),
  entry("d/e", "directory", 0),
  entry("d/e/c", "symlink"),
];
const below = (path: string): readonly Entry[] =>
  tree.filter((one) => one.path.startsWith(path === "" ? "" : `${path}/`));
const at = (path: string, kind: Destination["kind"], slash = false): Destination => ({ path, kind, slash });
const targets = (plan: ReturnType<typeof planCopy>): readonly string[] =>
  [...plan.directories, ...plan.files, ...plan.links].map(({ target }) => target);

const file = { entry: entry("d/b.txt", "file", 7), below: [] };
const directory = { entry: entry("d", "directory", 0), below: below("d") };

test.each([
  ["a file into a directory", [file], at("/o", "directory"), ["/o/b.txt"]],
  ["a file under a new name", [file], at("/o/new", "absent"), ["/o/new"]],
  ["a file over a file", [file], at("/o/old", "other"), ["/o/old"]],
  ["a file into a directory to be made", [file], at("/o", "absent", true), ["/o/b.txt"]],
  ["a directory into a directory", [directory], at("/o", "directory"), ["/o/d", "/o/d/e", "/o/d/b.txt", "/o/d/e/c"]],
  ["a directory under a new name", [directory], at("/n", "absent"), ["/n", "/n/e", "/n/b.txt", "/n/e/c"]],
  ["both", [file, directory], at("/o", "directory"), ["/o/d", "/o/d/e", "/o/b.txt", "/o/d/b.txt", "/o/d/e/c"]],
  [
    "the root gives its contents",
    [{ entry: root, below: below("") }],
    at("/o", "directory"),
    ["/o", "/o/d", "/o/d/e", "/o/a.txt", "/o/d/b.txt", "/o/d/e/c"],
  ],
])("%s", (_, sources, destination, expected) => {
  expect(targets(planCopy(sources, destination))).toEqual(expected);
});

test("bytes are those of files", () => {
  expect(planCopy([file, directory], at("/o", "directory")).bytes).toBe(8);
});

test.each([
  ["several to one name", [file, directory], at("/o", "absent"), "usage"],
  ["a directory over a file", [directory], at("/o", "other"), "exists"],
  ["two of one name", [file, { entry: entry("x/b.txt"), below: [] }], at("/o", "directory"), "usage"],
])("%s is refused", (_, sources, destination, code) => {
  expect(() => planCopy(sources, destination)).toThrow(expect.objectContaining({ code }));
});
