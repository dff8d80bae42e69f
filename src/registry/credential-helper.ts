import { spawn } from "node:child_process";
import { RiffleError } from "../errors.ts";
import { parseJsonObject } from "../oci/parse-json.ts";
import type { Credential } from "./credential.ts";

export interface HelperOptions {
  /** Default 10 s: a helper may ask a keychain, not a person. */
  readonly timeoutMs?: number;
  /** The environment of the helper; the process's own by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

type Action = "get" | "store" | "erase";

const HELPER_TIMEOUT_MS = 10_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;
/** What helpers print, with a failing exit code, for a host they do not know (docker-credential-helpers `credentials` package). */
const NOT_FOUND = /credentials not found|no credentials server url|no usable credentials/i;

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

function failed(helper: string, why: string, cause?: unknown): RiffleError {
  const hint = "see credsStore and credHelpers in the credential file";
  return new RiffleError("credentials", `the credential helper docker-credential-${helper} ${why}`, { hint, cause });
}

function run(helper: string, action: Action, input: string, options: HelperOptions): Promise<Outcome> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(helper))
    throw new RiffleError("credentials", "the credential file names a helper that is no program name");
  const timeoutMs = options.timeoutMs ?? HELPER_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    const child = spawn(`docker-credential-${helper}`, [action], {
      stdio: ["pipe", "pipe", "ignore"],
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    const pieces: Buffer[] = [];
    let length = 0;
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      // A grandchild may hold the pipe open: it is let go of, not waited for.
      child.stdout.destroy();
      settle();
    };
    const timer = setTimeout(
      () => end(() => reject(failed(helper, `did not answer within ${timeoutMs / 1000} s`))),
      timeoutMs,
    );
    child.stdout.on("data", (piece: Buffer) => {
      length += piece.length;
      if (length > MAX_OUTPUT_BYTES) end(() => reject(failed(helper, "answers without end")));
      else pieces.push(piece);
    });
    child.once("error", (error: NodeJS.ErrnoException) =>
      end(() => reject(failed(helper, error.code === "ENOENT" ? "is not installed" : "cannot be started", error))),
    );
    child.once("close", (code) => end(() => resolve({ code, output: Buffer.concat(pieces).toString("utf8") })));
    // A helper that ends before it has read everything is judged by what it says.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

/** What the helper has for `key`; undefined when it knows none. Throws `credentials` when it fails or hangs. */
export async function askHelper(
  helper: string,
  key: string,
  options: HelperOptions = {},
): Promise<Credential | undefined> {
  const { code, output } = await run(helper, "get", `${key}\n`, options);
  if (code !== 0) {
    if (NOT_FOUND.test(output)) return undefined;
    throw failed(helper, `failed with exit code ${code ?? "none"}`);
  }
  let username: unknown;
  let secret: unknown;
  try {
    ({ Username: username, Secret: secret } = parseJsonObject(new TextEncoder().encode(output), "its answer"));
  } catch {
    throw failed(helper, "answered something that is not JSON");
  }
  if (typeof username !== "string" || typeof secret !== "string") throw failed(helper, "answered without a secret");
  if (secret === "") return undefined;
  return username === "<token>" ? { identityToken: secret } : { username, password: secret };
}

export async function storeWithHelper(
  helper: string,
  entry: { readonly key: string; readonly credential: Credential },
  options: HelperOptions = {},
): Promise<void> {
  const { credential, key } = entry;
  const secret = credential.identityToken ?? credential.password ?? "";
  const username = credential.identityToken === undefined ? (credential.username ?? "") : "<token>";
  const input = JSON.stringify({ ServerURL: key, Username: username, Secret: secret });
  const { code } = await run(helper, "store", input, options);
  if (code !== 0) throw failed(helper, "could not keep the credentials");
}

/** True when the helper had something to erase, as far as it tells. */
export async function eraseWithHelper(helper: string, key: string, options: HelperOptions = {}): Promise<boolean> {
  const { code, output } = await run(helper, "erase", `${key}\n`, options);
  if (code !== 0 && !NOT_FOUND.test(output)) throw failed(helper, "could not erase the credentials");
  return code === 0;
}
