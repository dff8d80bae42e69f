import type { RangeSource } from "../../bytes/source.ts";
import type { ArrayReader } from "../array.ts";
import type { Fact, FileInfo, FormatOptions } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import type { Answers, Hdf5Dataset } from "./protocol.ts";
import { hdf5ArrayInfo, hdf5Reader } from "./reader.ts";
import { hdf5Worker, type Hdf5Worker } from "./worker-client.ts";

/** More are counted, not listed. */
const SHOWN_DATASETS = 500;

async function open(
  source: RangeSource,
  options: FormatOptions,
): Promise<{ readonly worker: Hdf5Worker; readonly opened: Answers["open"] }> {
  const worker = hdf5Worker(source);
  try {
    return { worker, opened: await worker.run({ kind: "open" }, { priority: "metadata", ...options }) };
  } catch (error) {
    await worker.close();
    throw error;
  }
}

function datasetFact(dataset: Hdf5Dataset): Fact {
  const { name, shape, dtype, chunks = null } = hdf5ArrayInfo(dataset);
  const { filters, type } = dataset;
  return { name, shape, dtype, chunks, filters, ...(type.kind === "unsupported" && { problem: type.why }) };
}

async function info(source: RangeSource, options: FormatOptions = {}): Promise<FileInfo> {
  const { worker, opened } = await open(source, options);
  const indexBytes = worker.fetchedBytes();
  await worker.close();
  const { datasets, groups, isNetcdf, omitted } = opened;
  const unreadable = datasets.filter(({ type }) => type.kind === "unsupported").length;
  return {
    format: "hdf5",
    title: isNetcdf ? "NetCDF-4" : "HDF5",
    facts: {
      datasets: datasets.length,
      groups,
      indexBytes,
      arrays: datasets.slice(0, SHOWN_DATASETS).map(datasetFact),
    },
    notes: [
      ...(unreadable > 0 ? [`${unreadable} datasets have elements that cannot be read`] : []),
      ...(omitted > 0 ? [`${omitted} objects were left out`] : []),
      ...(datasets.length > SHOWN_DATASETS
        ? [`the first ${SHOWN_DATASETS} of ${datasets.length} datasets are shown`]
        : []),
    ],
  };
}

async function array(source: RangeSource, options: FormatOptions = {}): Promise<ArrayReader> {
  const { worker, opened } = await open(source, options);
  return hdf5Reader({ source, worker, opened, indexBytes: worker.fetchedBytes(), options });
}

/** HDF5 files, NetCDF-4 among them. */
export const hdf5: FormatModule = { info, array };
