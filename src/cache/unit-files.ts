import { randomInt, randomUUID } from "node:crypto";
import { constants, fstatSync, linkSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { decodeRecord, encodeRecord, RECORD_BYTES } from "./extent-log.ts";
import { errorCode, type CacheFiles } from "./files.ts";

const { O_RDONLY, O_RDWR, O_APPEND, O_DIRECTORY, O_NOFOLLOW } = constants;
const ATTEMPTS = 5;

/** The open files of one unit: a directory with `data`, `extents` and `used` that were born together. */
export interface UnitFiles {
  readonly data: number;
  readonly log: number;
  /** Tells this life of the path from any other. */
  readonly nonce: number;
  readonly size: number;
}

export interface UnitPlace {
  readonly files: CacheFiles;
  /** Final place of the unit's directory. */
  readonly directory: string;
  /** On the same file system: where it is built and where it is unlinked from. */
  readonly trash: string;
}

/**
 * Opens what is there and creates nothing. `damaged`: there is a directory, but not a whole unit in it. The two files are
 * surely of one life: the directory is held open meanwhile (so its inode cannot be reused) and is still at its path after.
 */
export function openUnit(place: UnitPlace): UnitFiles | "absent" | "damaged" {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const opened = openOnce(place);
    if (opened !== "moved") return opened;
  }
  return "absent";
}

function openOnce({ files, directory }: UnitPlace): UnitFiles | "absent" | "damaged" | "moved" {
  if (statSync(directory, { throwIfNoEntry: false }) === undefined) return "absent";
  const opened: number[] = [];
  const open = (path: string, flags: number): number => {
    const fd = files.open(path, flags | O_NOFOLLOW);
    opened.push(fd);
    return fd;
  };
  let keep = false;
  try {
    const pinned = fstatSync(open(directory, O_RDONLY | O_DIRECTORY));
    const data = open(join(directory, "data"), O_RDWR);
    const log = open(join(directory, "extents"), O_RDWR | O_APPEND);
    const now = statSync(directory, { throwIfNoEntry: false });
    if (now?.ino !== pinned.ino || now.dev !== pinned.dev) return "moved";
    const head = Buffer.alloc(RECORD_BYTES);
    const record = files.readNow(log, head, 0) === RECORD_BYTES ? decodeRecord(head, 0) : undefined;
    if (record?.kind !== "head") return "damaged";
    keep = true;
    return { data, log, nonce: record.nonce, size: record.size };
  } catch (error) {
    if (!["ENOENT", "ENOTDIR", "ELOOP", "EISDIR"].includes(errorCode(error))) throw error;
    return statSync(directory, { throwIfNoEntry: false }) === undefined ? "absent" : "damaged";
  } finally {
    for (const fd of keep ? opened.slice(0, 1) : opened) files.close(fd);
  }
}

/** Builds an empty unit aside and renames it into place; when another process was faster, theirs stays. */
export function createUnit(place: UnitPlace, options: { readonly size: number; readonly boot: number }): void {
  const head = { kind: "head", size: options.size, nonce: randomInt(2 ** 32), boot: options.boot } as const;
  const building = build(place, encodeRecord(head), (data) => writeFileSync(data, "", { mode: 0o600 }));
  moveIn(place, building);
}

/**
 * Puts a twin in the unit's place: the good part of its log, over a second link to the very file `data` that the log speaks of.
 * Who has the old one open goes on with it. Throws where links cannot be made, or another life is at the path.
 */
export function repairUnit(place: UnitPlace, unit: { readonly data: number; readonly log: Buffer }): Promise<void> {
  const building = build(place, unit.log, (data) => {
    linkSync(join(place.directory, "data"), data);
    if (statSync(data).ino !== fstatSync(unit.data).ino) throw new Error("another file has taken the place");
  });
  const unlinked = trashUnit(place);
  moveIn(place, building);
  return unlinked;
}

function build(place: UnitPlace, log: Buffer, putData: (path: string) => void): string {
  const building = join(place.trash, `new-${randomUUID()}`);
  mkdirSync(building, { recursive: true, mode: 0o700 });
  try {
    putData(join(building, "data"));
    writeFileSync(join(building, "extents"), log, { mode: 0o600 });
    writeFileSync(join(building, "used"), "", { mode: 0o600 });
    return building;
  } catch (error) {
    rmSync(building, { recursive: true, force: true });
    throw error;
  }
}

function moveIn(place: UnitPlace, building: string): void {
  try {
    mkdirSync(dirname(place.directory), { recursive: true, mode: 0o700 });
    renameSync(building, place.directory);
  } catch (error) {
    rmSync(building, { recursive: true, force: true });
    if (!["ENOTEMPTY", "EEXIST"].includes(errorCode(error))) throw error;
  }
}

/** Takes a unit out of its place at once; resolves when its bytes are given back. Never throws: what is not there is gone. */
export async function trashUnit(place: Pick<UnitPlace, "directory" | "trash">): Promise<void> {
  const grave = join(place.trash, `old-${randomUUID()}`);
  try {
    mkdirSync(place.trash, { recursive: true, mode: 0o700 });
    renameSync(place.directory, grave);
    await rm(grave, { recursive: true, force: true });
  } catch {
    // Nothing was there, or the sweep of the trash by the next process that opens the cache takes the rest.
  }
}
