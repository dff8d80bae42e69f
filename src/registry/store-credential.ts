import { randomUUID } from "node:crypto";
import { chmod, mkdir, open, realpath, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { RiffleError } from "../errors.ts";
import type { Credential } from "./credential.ts";
import {
  helperFor,
  keyOf,
  matchingKeys,
  readCredentialFile,
  section,
  type CredentialDocument,
} from "./credential-file.ts";
import { eraseWithHelper, storeWithHelper, type HelperOptions } from "./credential-helper.ts";
import { credentialFiles, type CredentialPlaces } from "./load-credential.ts";

/** Where `login` writes: the first place that `loadCredential` reads. Throws `usage` when no place was given. */
export function credentialFileToWrite(places: CredentialPlaces): string {
  const [file] = credentialFiles(places);
  if (file !== undefined) return file;
  throw new RiffleError("usage", "there is no place for credentials", { hint: "name one with --registry-config FILE" });
}

/** Keeps `credential` for `host`, in the helper that the file names or in the file itself. Gives the place it went to. */
export async function storeCredential(
  host: string,
  credential: Credential,
  options: HelperOptions & { readonly places: CredentialPlaces },
): Promise<string> {
  const file = credentialFileToWrite(options.places);
  const document = (await readCredentialFile(file)) ?? {};
  const helper = helperFor(document, host, file);
  const key = keyOf(host);
  const auths = section(document, "auths", file);
  const others = withoutKeys(auths, matchingKeys(auths, host));
  if (helper !== undefined) {
    await storeWithHelper(helper, { key, credential }, options);
    // As Docker: the name stays in the file, the secret does not.
    await writeDocument(file, { ...document, auths: { ...others, [key]: {} } });
    return `docker-credential-${helper}`;
  }
  await writeDocument(file, { ...document, auths: { ...others, [key]: entryOf(credential) } });
  return file;
}

function entryOf(credential: Credential): Record<string, string> {
  const { username, password, identityToken } = credential;
  const pair = username === undefined && password === undefined ? undefined : `${username ?? ""}:${password ?? ""}`;
  return {
    ...(pair === undefined ? {} : { auth: Buffer.from(pair, "utf8").toString("base64") }),
    ...(identityToken === undefined ? {} : { identitytoken: identityToken }),
  };
}

/** Forgets `host` in the place that `storeCredential` writes; false when there was nothing. Other places are left alone. */
export async function eraseCredential(
  host: string,
  options: HelperOptions & { readonly places: CredentialPlaces },
): Promise<boolean> {
  const file = credentialFileToWrite(options.places);
  const document = await readCredentialFile(file);
  if (document === undefined) return false;
  const helper = helperFor(document, host, file);
  const erased = helper !== undefined && (await eraseWithHelper(helper, keyOf(host), options));
  const auths = section(document, "auths", file);
  const keys = matchingKeys(auths, host);
  if (keys.length > 0) await writeDocument(file, { ...document, auths: withoutKeys(auths, keys) });
  return erased || keys.length > 0;
}

function withoutKeys(table: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(table).filter(([key]) => !keys.includes(key)));
}

/** Whole or not at all, readable by the owner alone; a link stays a link. Indented with tabs, as Docker writes it. */
async function writeDocument(file: string, document: CredentialDocument): Promise<void> {
  const target = await realpath(file).catch(() => file);
  const draft = `${target}.${randomUUID()}`;
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    const handle = await open(draft, "wx", 0o600);
    try {
      await handle.writeFile(`${JSON.stringify(document, undefined, "\t")}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await chmod(draft, 0o600);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    const code = (error as NodeJS.ErrnoException).code;
    const isDenied = code === "EACCES" || code === "EPERM" || code === "EROFS";
    throw new RiffleError(isDenied ? "permission" : "disk", `cannot write the credential file ${file}`, {
      cause: error,
    });
  }
}
