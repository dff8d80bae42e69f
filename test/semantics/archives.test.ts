import { afterAll, beforeAll, expect, test } from "vitest";
import { openArtifact, type OpenOptions } from "../../src/artifact/open-artifact.ts";
import { putArtifact } from "../support/artifacts.ts";
import { startRegistry, type RegistryHandle } from "../support/registry/server.ts";
import { tarFile, type TarPart } from "../support/tar-file.ts";

let registry: RegistryHandle;

beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

interface Seen {
  readonly paths: readonly string[];
  readonly warnings: readonly string[];
}

async function seen(bytes: Uint8Array, options: OpenOptions): Promise<Seen> {
  const content = { kind: "bytes" as const, bytes };
  const place = { repository: "t/archives", tag: "v1" };
  const { reference } = await putArtifact(registry, place, { files: [{ title: "a.tar", content }] });
  await using artifact = await openArtifact(reference, options);
  return {
    paths: [...artifact.entries()].map(({ path }) => path),
    warnings: artifact.warnings.map(({ original, reason }) => `${original}: ${reason}`),
  };
}

const file = (name: string): TarPart => ({ name, content: Buffer.from(name) });

test("a tar layer is a directory with unpack all, and a file without", async () => {
  const tar = tarFile(file("d/x"));
  expect((await seen(tar, { unpack: "all" })).paths).toEqual(["a.tar", "a.tar/d", "a.tar/d/x"]);
  for (const options of [{}, { unpack: "auto" }, { unpack: "none" }] as const)
    expect((await seen(tar, options)).paths).toEqual(["a.tar"]);
});

test("what an archive cannot show is left out with a warning", async () => {
  const { paths, warnings } = await seen(tarFile(file("/x"), file("../y"), file("x/z")), { unpack: "all" });
  expect(paths).toEqual(["a.tar", "a.tar/x"]);
  expect(warnings).toEqual(["a.tar/../y: would lie outside of the archive", "a.tar/x/z: lies below a file or a link"]);
});

test("an archive with a damaged header stays a file", async () => {
  const tar = Buffer.from(tarFile(file("x"), file("y")));
  tar[1024 + 148] = 0x39;
  const { paths, warnings } = await seen(tar, { unpack: "all" });
  expect(paths).toEqual(["a.tar"]);
  expect(warnings).toEqual([
    "a.tar: stays a file: not a sound tar archive: it has a header whose checksum does not hold, at byte 1024",
  ]);
});
