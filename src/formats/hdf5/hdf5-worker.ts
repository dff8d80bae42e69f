import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { isRiffleError, RiffleError } from "../../errors.ts";
import { chunkLookup } from "./chunk-index.ts";
import { listDatasets, type DatasetList, type ListedDataset } from "./dataset-list.ts";
import { openLibrary, type LibraryFile } from "./library-file.ts";
import type { Answers, Command, Selection, WorkerMessage, WorkerSetup } from "./protocol.ts";
import { syncReader, type SyncReader } from "./sync-reader.ts";

interface Opened {
  readonly reader: SyncReader;
  readonly file: LibraryFile;
  readonly list: DatasetList;
}

function datasetOf({ list }: Opened, path: string): ListedDataset {
  const found = list.datasets.get(path);
  if (found === undefined) throw new RiffleError("internal", `no dataset ${path}`);
  return found;
}

function readSelection(
  opened: Opened,
  { path, selection }: { readonly path: string; readonly selection: Selection },
): Answers["read"] {
  const { shown, metadata } = datasetOf(opened, path);
  const { library, file } = opened.file;
  const count = selection.count.reduce((product, one) => product * one, 1);
  const bytes = count * metadata.size;
  const pointer = library._malloc(Math.max(8, bytes));
  if (pointer === 0) throw new RiffleError("unsupported", `no memory for ${bytes} bytes of an HDF5 dataset`);
  const wide = (numbers: readonly number[]): readonly bigint[] => numbers.map(BigInt);
  try {
    library.HEAPU8.fill(0, pointer, pointer + bytes);
    const status = library.get_dataset_data(
      file,
      `/${path}`,
      wide(selection.count),
      wide(selection.start),
      wide(selection.step),
      BigInt(pointer),
    );
    if (status < 0) throw new RiffleError("malformed", `the HDF5 dataset ${path} cannot be read`);
    if (shown.type.kind === "text")
      return { strings: textsAt(library.HEAPU8, { pointer, count, size: metadata.size }) };
    return { data: library.HEAPU8.slice(pointer, pointer + bytes) };
  } finally {
    library._free(pointer);
  }
}

/** Texts are pointers, four bytes each, to bytes with a zero behind them. They are the library's until the worker ends. */
function textsAt(
  heap: Uint8Array,
  { pointer, count, size }: { readonly pointer: number; readonly count: number; readonly size: number },
): readonly (string | null)[] {
  const view = new DataView(heap.buffer, heap.byteOffset);
  const decoder = new TextDecoder();
  return Array.from({ length: count }, (_, i) => {
    const at = view.getUint32(pointer + i * size, true);
    return at === 0 ? null : decoder.decode(heap.slice(at, heap.indexOf(0, at)));
  });
}

function answer(opened: Opened, command: Command): Answers[keyof Answers] {
  if (command.kind === "open") {
    const datasets = [...opened.list.datasets.values()].map(({ shown }) => shown);
    return { datasets, ...opened.list.summary };
  }
  if (command.kind === "read") {
    opened.reader.offer(command.pieces);
    return readSelection(opened, command);
  }
  const { layout, shown } = datasetOf(opened, command.path);
  if (layout.kind !== "chunked") return undefined;
  return chunkLookup(opened.reader, { index: layout.index, shape: shown.shape })?.(command.cells);
}

function serve(port: MessagePort, setup: WorkerSetup): void {
  const reader = syncReader(port, setup);
  let opened: Opened | undefined;
  const send = (message: WorkerMessage): void => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    port.postMessage(message);
  };
  const handle = async (command: Command): Promise<void> => {
    let file: LibraryFile | undefined = opened?.file;
    try {
      file ??= await openLibrary(reader);
      opened ??= { reader, file, list: listDatasets(file, reader) };
      send({ kind: "done", answer: answer(opened, command) });
    } catch (error) {
      const cause = isRiffleError(error) ? error : (file?.problem() ?? error);
      if (isRiffleError(cause)) send({ kind: "failed", code: cause.code, message: cause.message });
      else send({ kind: "failed", code: "malformed", message: `the HDF5 library failed: ${firstLine(cause)}` });
    }
  };
  port.on("message", (command: Command) => void handle(command));
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text.split("\n").find((line) => line.trim() !== "") ?? "it gave no reason").trim().slice(0, 200);
}

// The thread is only ever started with these.
if (parentPort !== null) serve(parentPort, workerData as WorkerSetup);
