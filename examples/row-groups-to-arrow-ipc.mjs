// Chosen rows and columns of a Parquet file as an Arrow IPC stream on stdout: a row group at a time, in memory bounded by one.
//
//   node examples/row-groups-to-arrow-ipc.mjs ghcr.io/eo/trips:v1 trips.parquet "fare > 50" id,fare > fares.arrows
import { pipeline } from "node:stream/promises";
import { RecordBatchStreamWriter } from "apache-arrow";
import { open, parsePredicate } from "rifflefs";

const [reference, path, where, columns] = process.argv.slice(2);
if (reference === undefined || path === undefined) {
  console.error("usage: row-groups-to-arrow-ipc.mjs REF PATH [WHERE] [COLUMNS]");
  process.exit(2);
}

const artifact = await open(reference);
try {
  const table = await artifact.table(path);
  const query = {
    ...(where ? { where: await parsePredicate(where) } : {}),
    ...(columns ? { columns: columns.split(",") } : {}),
  };
  const { requests, bytesNeeded, pruned } = await table.plan(query);
  console.error(`${requests} requests, ${bytesNeeded} bytes`);
  for (const { what, total, kept } of pruned) console.error(`${what}: ${kept} of ${total}`);
  // The next batch is decoded when the last has left.
  await pipeline(table.scan(query), RecordBatchStreamWriter.throughNode(), process.stdout, { end: false });
  await table.close();
} finally {
  await artifact.close();
}
