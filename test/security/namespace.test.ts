import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createHome, MAIN, type Home } from "../support/cli.ts";
import { hasProgram, run } from "../support/processes.ts";

const IS_ROOT = process.getuid?.() === 0;
const CAN = IS_ROOT && ["unshare", "ip", "mount"].every(hasProgram);
const skipped = CAN ? "" : " (skipped: needs root, unshare and ip)";

let home: Home;
beforeEach(() => void (home = createHome()));
afterEach(() => home.remove());

/** A registry of a public address that answers every blob, manifest and challenge with the place it is told. */
const REGISTRY = `
import { createServer } from "node:http";
import { spawnSync } from "node:child_process";
const [main, target] = process.argv.slice(2);
const seen = [];
const inner = createServer((request, response) => { seen.push(request.url); response.end("inner"); });
const outer = createServer((request, response) => {
  if (target.startsWith("realm ")) response.writeHead(401, { "www-authenticate": 'Bearer realm="' + target.slice(6) + '"' }).end();
  else response.writeHead(307, { location: target }).end();
});
inner.listen(8080, "0.0.0.0", () => outer.listen(5000, "203.0.113.1", async () => {
  const { spawn } = await import("node:child_process");
  const child = spawn(process.execPath, [main, "ls", "--plain-http", "--json", "public.example:5000/eo/scenes:v1"], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (piece) => (text += piece));
  child.on("close", (code) => {
    process.stdout.write(JSON.stringify({ code, seen, error: JSON.parse(text).error }));
    process.exit(0);
  });
}));
`;

test.skipIf(!CAN)(
  `a public registry that is reached for real cannot send riffle inside${skipped}`,
  async () => {
    const program = join(home.path, "registry.mjs");
    writeFileSync(program, REGISTRY);
    writeFileSync(
      join(home.path, "hosts"),
      "203.0.113.1 public.example\n10.9.8.7 storage.example\n169.254.169.254 metadata.example\n127.0.0.1 loop.example\n",
    );
    // A mount of its own over /etc/hosts, and an interface of its own: nothing changes for anybody else.
    const script = `set -e
ip link set lo up
for one in 203.0.113.1 10.9.8.7 169.254.169.254; do ip addr add $one/32 dev lo; done
mount --bind "$HOSTS" /etc/hosts
exec "$@"`;
    const inside = async (target: string): Promise<unknown> => {
      const words = ["-nm", "sh", "-c", script, "sh", process.execPath, program, MAIN, target];
      const env = { ...home.environment, HOSTS: join(home.path, "hosts") };
      const { stdout, stderr, status } = await run("unshare", words, { env });
      if (status !== 0) throw new Error(stderr);
      return JSON.parse(stdout.toString());
    };
    const refused = { code: 7, seen: [], error: expect.objectContaining({ code: "misbehaved" }) as unknown };
    for (const host of ["storage.example", "metadata.example"])
      expect([host, await inside(`http://${host}:8080/x`)]).toEqual([host, refused]);
    expect(await inside("realm http://loop.example:8080/token")).toEqual(refused);
    // The way there is open: what the registry names at its own address is asked.
    expect(await inside("http://public.example:8080/x")).toMatchObject({ seen: ["/x"] });
  },
  60_000,
);
