import { Field, Vector, type DataType } from "apache-arrow";
import type { ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { metadataRange, type ReadParts } from "./batches.ts";
import { bufferRanges, columnsOfBatch, loadColumns } from "./columns.ts";
import type { ArrowFile } from "./footer.ts";
import { parseDictionary } from "./message.ts";

export interface DictionaryOptions extends ReadOptions {
  readonly ids: ReadonlySet<number>;
  readonly maxBytes: number;
}

/**
 * The dictionaries with these numbers, each whole: parts that a file adds to one are joined. Two round trips, one when all lies in
 * the tail of the file. Throws `malformed` when a file replaces one, which the file format forbids.
 */
export async function readDictionaries(
  file: ArrowFile,
  { read, ids, maxBytes, ...how }: DictionaryOptions & { readonly read: ReadParts },
): Promise<ReadonlyMap<number, Vector>> {
  const dictionaries = new Map<number, Vector>();
  if (ids.size === 0) return dictionaries;
  const messages = await read(file.dictionaryBlocks.map(metadataRange), { ...how, priority: "metadata" });
  const wanted = file.dictionaryBlocks.flatMap((block, index) => {
    const header = parseDictionary(messages[index] ?? new Uint8Array(), block.bodyBytes);
    const type = file.dictionaries.get(Number(header.id));
    if (type === undefined || !ids.has(Number(header.id))) return [];
    const field = new Field("values", type, true);
    return [{ header, columns: columnsOfBatch([field], { block, header: header.batch, needed: [0] }) }];
  });
  const ranges = wanted.map(({ columns }) => bufferRanges(columns).flat());
  const bytes = await read(ranges.flat(), { ...how, priority: "demand" });
  let at = 0;
  for (const [index, { header, columns }] of wanted.entries()) {
    const buffers = bytes.slice(at, (at += ranges[index]?.length ?? 0));
    // Values may themselves be looked up in dictionaries, which then came before.
    const [values] = await loadColumns(columns, { buffers, dictionaries, maxBytes });
    const id = Number(header.id);
    const known = dictionaries.get(id);
    if (values === undefined) throw new RiffleError("malformed", `dictionary ${id} without values`);
    if (known !== undefined && !header.isDelta) throw new RiffleError("malformed", `dictionary ${id} is there twice`);
    dictionaries.set(id, new Vector<DataType>([...(known?.data ?? []), values]));
  }
  return dictionaries;
}
