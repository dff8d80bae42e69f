import { createReadStream } from "node:fs";
import { RiffleError } from "../errors.ts";

const MOST_BYTES = 64 * 1024;

/** The first line of `fd`, without its end; what follows is not read further than it came. */
export async function readLine(fd: number, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of createReadStream("", { fd, autoClose: false, signal })) {
    const bytes = chunk as Buffer; // no encoding is set: Node gives Buffers
    const end = bytes.indexOf(0x0a);
    chunks.push(end < 0 ? bytes : bytes.subarray(0, end));
    length += bytes.length;
    if (end >= 0) break;
    if (length > MOST_BYTES) throw new RiffleError("usage", "the line on stdin is longer than 64 KiB");
  }
  return Buffer.concat(chunks).toString("utf8").replace(/\r$/, "");
}

/** `--password-stdin`. Throws `usage` when there is none. */
export async function readPassword(signal: AbortSignal): Promise<string> {
  const password = await readLine(0, signal);
  if (password !== "") return password;
  throw new RiffleError("usage", "--password-stdin: there is no line on stdin", {
    hint: "such as: echo $TOKEN | riffle ... --username NAME --password-stdin",
  });
}
