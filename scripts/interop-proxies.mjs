// What stands between a client and a registry in the field: nginx as a cache, as one that cuts every answer out of slices of
// its own and refuses more than a few connections, and as one that breaks answers off in the middle; and Distribution 3 as
// a pull-through cache, which gives the first range of a cold blob as the whole of it. All are in front of docker-registry.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const root = new URL("..", import.meta.url).pathname;
const { hasProgram, mountArtifact, mountObstacle, runWell } = await import(
  `${root}dist-tools/test/support/processes.js`
);

/** Not on every user's PATH. */
const NGINX = hasProgram("nginx") ? "nginx" : "/usr/sbin/nginx";
const DISTRIBUTION = "github.com/distribution/distribution/v3/cmd/registry@v3.1.2";

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** What nginx does with blobs, by what it is called here. */
const FLAVOURS = {
  caching: { blobs: "proxy_cache kept; proxy_cache_valid 200 206 1h;" },
  "slicing, four connections at most": {
    http: "limit_conn_zone $server_name zone=all:1m;",
    blobs: `slice 256k; proxy_cache kept; proxy_cache_key $uri$slice_range; proxy_set_header Range $slice_range;
      proxy_cache_valid 200 206 1h; limit_conn all 4; limit_conn_status 503;`,
  },
  // A reload ends the old workers, and their connections with them, a moment later.
  truncating: { main: "worker_shutdown_timeout 50ms;", blobs: "limit_rate 4m;" },
};

function configuration(at, { port, upstream, main = "", http = "", blobs }) {
  // Its own user could not look into our folder.
  const user = process.getuid() === 0 ? "user root root;" : "";
  return `daemon off; pid ${at}/pid; error_log stderr crit; worker_processes 1; ${user} ${main}
events { worker_connections 256; }
http {
  access_log ${at}/access.log;
  client_body_temp_path ${at}/body; proxy_temp_path ${at}/temp;
  fastcgi_temp_path ${at}/fastcgi; uwsgi_temp_path ${at}/uwsgi; scgi_temp_path ${at}/scgi;
  proxy_cache_path ${at}/cache keys_zone=kept:1m;
  ${http}
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 0;
    proxy_http_version 1.1;
    location / { proxy_pass http://${upstream}; }
    location ~ /blobs/ { proxy_pass http://${upstream}; ${blobs} }
  }
}
`;
}

async function startNginx(name, { folder, upstream, children }) {
  const at = folder.sub(`nginx-${name.replaceAll(/\W+/g, "-")}`);
  const port = await freePort();
  const file = join(at, "nginx.conf");
  writeFileSync(file, configuration(at, { port, upstream, ...FLAVOURS[name] }));
  const child = spawn(NGINX, ["-e", "stderr", "-p", at, "-c", file], { stdio: ["ignore", "ignore", "pipe"] });
  children.push(child);
  let said = "";
  child.stderr.on("data", (text) => (said += text));
  for (let i = 0; i < 100; i++) {
    if (child.exitCode !== null) break;
    const answered = await fetch(`http://127.0.0.1:${port}/v2/`).then(
      () => true,
      () => false,
    );
    if (answered) return { host: `127.0.0.1:${port}`, child, log: join(at, "access.log") };
    await sleep(50);
  }
  throw new Error(`nginx did not start: ${said}`);
}

/** `diff -r` of the mount and the files that were pushed; `meanwhile` runs until it is over. */
async function sameTree(reference, { at, files, env, meanwhile }) {
  const mounted = await mountArtifact(reference, at, { env, flags: ["--no-cache"] });
  const over = new AbortController();
  const beside = meanwhile?.(over.signal);
  try {
    await runWell("diff", ["-r", files, at]).catch((error) => {
      const why = readFileSync(join(at, ".oci/errors"), "utf8").trim().split("\n").at(-1);
      throw new Error(`${error.message.split("\n").at(-1)} / ${why}`);
    });
    const { requests, bytesFetched } = mounted.stats();
    const { retries, errors } = mounted.stats();
    if (errors > 0) throw new Error(`${errors} reads failed`);
    return `${requests} requests, ${retries} tried again, ${bytesFetched} bytes`;
  } finally {
    over.abort();
    await beside;
    await mounted.unmount();
  }
}

const lines = (file) => readFileSync(file, "utf8").trim().split("\n");
const statusOf = (line) => Number(/" (\d{3}) /.exec(line)?.[1]);

async function behindNginx(name, { upstream, place, files, folder, env, children, check }) {
  let nginx;
  await check(`nginx, ${name}: starts in front of docker-registry`, async () => {
    nginx = await startNginx(name, { folder, upstream, children });
  });
  if (nginx === undefined) return;
  const cuts = { count: 0 };
  const reload = async (signal) => {
    while (!signal.aborted) {
      await sleep(250);
      nginx.child.kill("SIGHUP");
      cuts.count += 1;
    }
  };
  for (const round of ["cold", "warm"]) {
    await check(`nginx, ${name}, ${round}: the mount is the same tree (diff -r)`, async () => {
      const at = folder.sub(`mnt-nginx-${name.replaceAll(/\W+/g, "-")}-${round}`);
      const said = await sameTree(`${nginx.host}/${place}`, {
        at,
        files,
        env,
        ...(name === "truncating" ? { meanwhile: reload } : {}),
      });
      const blobs = lines(nginx.log).filter((line) => line.includes("/blobs/"));
      if (blobs.length === 0) throw new Error("no blob came through nginx");
      const refused = blobs.filter((line) => statusOf(line) === 503).length;
      return `${said}${refused > 0 ? `, ${refused} refused` : ""}${cuts.count > 0 ? `, ${cuts.count} reloads` : ""}`;
    });
  }
  nginx.child.kill("SIGTERM");
}

async function pullThrough({ upstream, place, files, folder, env, program, startRegistry, check, say }) {
  const name = "Distribution 3 as a pull-through cache";
  let host = "";
  await check(`${name}: is built and starts`, async () => {
    const registry = await program("registry", DISTRIBUTION, { isGeneral: true });
    host = await startRegistry("pull-through", `proxy:\n  remoteurl: http://${upstream}\n`, registry);
    const { stdout } = await runWell(registry, ["--version"]);
    return stdout.toString().trim();
  });
  if (host === "") return;
  say("", `${name}, at ${host}, in front of ${upstream}`);
  const [repository, tag] = place.split(":");
  const manifest = await (
    await fetch(`http://${upstream}/v2/${repository}/manifests/${tag}`, {
      headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
    })
  ).json();
  const ask = async (digest) => {
    const answer = await fetch(`http://${host}/v2/${repository}/blobs/${digest}`, { headers: { range: "bytes=5-9" } });
    return { status: answer.status, length: (await answer.arrayBuffer()).byteLength };
  };
  await check(`${name}: the first range of a cold blob is answered with 200, a later one with 206`, async () => {
    // A small one, so that the others stay cold for the mount.
    const [small] = manifest.layers.filter(({ size }) => size > 10).sort((a, b) => a.size - b.size);
    const first = await ask(small.digest);
    if (first.status !== 200 || first.length !== small.size) throw new Error(`first: ${JSON.stringify(first)}`);
    for (let i = 0; i < 100; i++) {
      const later = await ask(small.digest);
      if (later.status === 206 && later.length === 5) return "";
      await sleep(50);
    }
    throw new Error("ranges never came");
  });
  for (const round of ["cold", "warm"]) {
    await check(`${name}, ${round}: the mount is the same tree (diff -r)`, () =>
      sameTree(`${host}/${place}`, { at: folder.sub(`mnt-pull-through-${round}`), files, env }),
    );
  }
}

/** All of it. `place` is what was pushed to `upstream`: `REPOSITORY:TAG`. */
export async function behindProxies(parts) {
  const obstacle = mountObstacle();
  if (obstacle !== undefined) {
    parts.skip("proxies", obstacle);
    return;
  }
  if (NGINX === "nginx" || existsSync(NGINX)) {
    for (const name of Object.keys(FLAVOURS)) await behindNginx(name, parts);
  } else parts.skip("nginx", "not installed (package nginx-light)");
  await pullThrough(parts);
}
