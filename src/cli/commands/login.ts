import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { isatty } from "node:tty";
import { RiffleError } from "../../errors.ts";
import { parseReference } from "../../oci/reference.ts";
import type { Credential } from "../../registry/credential.ts";
import { checkLogin } from "../../registry/login.ts";
import { storeCredential } from "../../registry/store-credential.ts";
import type { Context, Run } from "../command.ts";
import { readPassword } from "../credentials-input.ts";
import { credentialPlacesOf, openOrderOf, registryOptionsOf } from "../open.ts";

/** A host as references name it: `docker.io` for Docker Hub. Throws `usage`. */
export function parseHost(text: string): string {
  const bare = text.replace(/^https?:\/\//, "").replace(/\/+$/, "");
  const reference = bare.includes("/") || bare === "" ? undefined : parseReference(`${bare}/any`);
  // A first part that is no host name is read as a repository of Docker Hub.
  const isHub = bare === "docker.io" || bare === "index.docker.io";
  if (reference?.kind === "registry" && (isHub || reference.host !== "docker.io")) return reference.host;
  throw new RiffleError("usage", `not a host: "${text.slice(0, 200)}"`, { hint: "such as ghcr.io or localhost:5000" });
}

/** One answer from the terminal; what is typed is shown unless it is secret. */
async function ask(question: string, { notes, signal }: Context, secret: boolean): Promise<string> {
  // Readline draws its own question; of a secret nothing may be drawn, so that one is written here.
  if (secret) notes.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const output = secret ? silent : process.stderr;
  const reader = createInterface({ input: process.stdin, output, terminal: true });
  // A terminal in raw mode sends Ctrl-C as a character: readline tells of it, the kernel does not.
  const interrupted = new AbortController();
  reader.on("SIGINT", () => interrupted.abort(new RiffleError("aborted", "interrupted")));
  try {
    return await reader.question(secret ? "" : question, { signal: AbortSignal.any([signal, interrupted.signal]) });
  } finally {
    reader.close();
    if (secret) notes.write("\n");
  }
}

async function credentialFor(host: string, context: Context): Promise<Credential> {
  const { settings, signal } = context;
  if (settings.passwordStdin) return { username: settings.username ?? "", password: await readPassword(signal) };
  if (!isatty(0)) {
    throw new RiffleError("usage", "there is no terminal to ask for the password", {
      hint: "pipe it in: riffle login HOST --username NAME --password-stdin",
    });
  }
  const username = settings.username ?? (await ask(`User name for ${host}: `, context, false));
  const password = await ask(`Password of ${username} for ${host}: `, context, true);
  if (username === "" || password === "") throw new RiffleError("usage", "a user name and a password are needed");
  return { username, password };
}

export const run: Run = async ([text = ""], _flags, context) => {
  const host = parseHost(text);
  const { settings, out, log, environment } = context;
  const credential = await credentialFor(host, context);
  const anonymous: Context = { ...context, settings: { ...settings, username: undefined, passwordStdin: false } };
  const order = await openOrderOf(anonymous, `${host}/any`);
  const { proven } = await checkLogin(host, credential, registryOptionsOf(order, log));
  if (!proven) log("warn", `${host} asked for no credentials: they are stored unproven`);
  const stored = await storeCredential(host, credential, { places: credentialPlacesOf(context), env: environment });
  if (settings.json) await out.line(JSON.stringify({ host, username: credential.username, proven, stored }));
  else await out.line(`logged in to ${host}; credentials are in ${stored}`);
  return 0;
};
