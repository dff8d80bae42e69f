import { spawn } from "node:child_process";
import { RiffleError } from "../errors.ts";

/** Where the system keeps mount(8) and set-user-id wrappers; a caller's own PATH has no say in what runs as root. */
export const SYSTEM_PATH: string = "/usr/local/sbin:/usr/local/bin:/run/wrappers/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Of a program's complaint, what goes into an error. */
const COMPLAINT_CHARACTERS = 400;

export interface ProgramResult {
  readonly status: number;
  /** The last line on standard error, without the program's own name. */
  readonly complaint: string;
}

/** Runs a system program to its end. `descriptor` is its number 3. Rejects with `machine` where it is not installed. */
export function runProgram(
  command: readonly [string, ...string[]],
  options: { readonly descriptor?: number; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<ProgramResult> {
  const [file, ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: "/",
      env: { PATH: SYSTEM_PATH, LC_ALL: "C", ...options.env },
      stdio: ["ignore", "ignore", "pipe", ...(options.descriptor === undefined ? [] : [options.descriptor])],
    });
    let text = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      text = (text + chunk.toString("utf8")).slice(-COMPLAINT_CHARACTERS);
    });
    child.once("error", (cause) => {
      reject(new RiffleError("machine", `${file} cannot be run`, { hint: `install ${file}`, cause }));
    });
    child.once("close", (status) => {
      const complaint = text.trim().split("\n").at(-1) ?? "";
      resolve({ status: status ?? -1, complaint: complaint.replace(/^[a-z0-9]+: /, "") });
    });
  });
}
