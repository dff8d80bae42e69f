/** Where a mirror is asked. */
export interface MirrorAddress {
  /** As a reference would name it. */
  readonly host: string;
  /** What was said of the protocol, if anything. */
  readonly scheme?: "http" | "https";
  /** Before a repository's name, with a slash at its end; empty without one. */
  readonly prefix: string;
}

const ADDRESS = /^(?:(https?):\/\/)?((?:\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{1,5})?)((?:\/[a-z0-9._-]+)*)\/?$/i;

/** Undefined for what is no address of a mirror. */
export function parseMirrorAddress(text: string): MirrorAddress | undefined {
  const [, scheme, host, path = ""] = ADDRESS.exec(text) ?? [];
  if (host === undefined) return undefined;
  const word = scheme?.toLowerCase();
  return {
    host: host.toLowerCase(),
    prefix: path === "" ? "" : `${path.slice(1)}/`,
    ...(word === "http" || word === "https" ? { scheme: word } : {}),
  };
}
