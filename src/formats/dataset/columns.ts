import { Schema, type Data, type Field, type RecordBatch } from "apache-arrow";
import { RiffleError } from "../../errors.ts";
import { typeName } from "../predicate/domain.ts";
import type { TableColumn, TableMetadata } from "../table.ts";
import { conformed } from "./conform.ts";
import { batchOf, constantData, partitionField } from "./constant-column.ts";
import type { PartitionColumn } from "./partitions.ts";

/** Rows of a batch that is made of constants alone. */
const BATCH_ROWS = 65_536;

/** The columns of a table of files and directories, and how those asked for are put together. */
export interface DatasetColumns {
  /** Without those that a partition column hides. */
  readonly ofFiles: readonly TableColumn[];
  project(names: readonly string[] | undefined): Projection;
}

export interface Projection {
  /** What to ask a file for. None where constants alone answer: its rows are known, and no filter asks for more. */
  forFile(metadata: TableMetadata, filtered: boolean): readonly string[];
  assembler(): Assembler;
}

type Values = readonly (string | undefined)[];

/** Makes batches of one schema, that of the first. */
export interface Assembler {
  withFile(batch: RecordBatch, values: Values): RecordBatch;
  withoutFile(values: Values, rows: number): Iterable<RecordBatch>;
}

/** A column asked for: the `file`-th of what a file gives, or the `partition`-th of the directories. */
type Place = { readonly file: number } | { readonly partition: number };

export function datasetColumns(
  ofFirst: readonly TableColumn[],
  partitions: readonly PartitionColumn[],
): DatasetColumns {
  const hidden = new Set(partitions.map((column) => column.name));
  const ofFiles = ofFirst.filter((column) => !hidden.has(column.name));
  const find = (name: string): number | undefined => {
    const exact = partitions.findIndex((column) => column.name === name);
    if (exact >= 0) return exact;
    if (ofFiles.some((column) => column.name === name)) return undefined;
    const folded = partitions.findIndex((column) => column.name.toLowerCase() === name.toLowerCase());
    return folded >= 0 ? folded : undefined;
  };
  return {
    ofFiles,
    project(names) {
      const asked = names ?? [...ofFiles, ...partitions].map((column) => column.name);
      const fromFile: string[] = [];
      const places = asked.map((name): Place => {
        const partition = find(name);
        if (partition !== undefined) return { partition };
        return { file: fromFile.push(name) - 1 };
      });
      return projection({ fromFile, places, partitions, ofFiles });
    },
  };
}

function projection(of: {
  readonly fromFile: readonly string[];
  readonly places: readonly Place[];
  readonly partitions: readonly PartitionColumn[];
  readonly ofFiles: readonly TableColumn[];
}): Projection {
  return {
    forFile(metadata, filtered) {
      if (of.fromFile.length > 0) return of.fromFile;
      if (!filtered && metadata.rows !== undefined) return [];
      // Some column must tell how many rows there are: one of the narrowest.
      const narrow = of.ofFiles.find((column) => /^(Bool|U?int\d|Float|Date|Timestamp)/i.test(column.type));
      const counted = narrow ?? of.ofFiles[0];
      return counted === undefined ? [] : [counted.name];
    },
    assembler: () => assembler(of),
  };
}

function assembler(of: {
  readonly fromFile: readonly string[];
  readonly places: readonly Place[];
  readonly partitions: readonly PartitionColumn[];
}): Assembler {
  let schema: Schema | undefined;
  const assemble = (values: Values, file: FileColumns): RecordBatch => {
    const { length } = file;
    const columns = of.places.map((place) => {
      if ("file" in place) return { field: file.schema?.fields[place.file], data: file.data[place.file] };
      const column = of.partitions[place.partition];
      if (column === undefined) return { field: undefined, data: undefined };
      return {
        field: partitionField(column),
        data: constantData({ type: column.type, value: values[place.partition] }, length),
      };
    });
    const data = columns.flatMap((column) => column.data ?? []);
    // What is never null in one file may be in the next.
    const fields = columns.flatMap((column) => column.field?.clone({ nullable: true }) ?? []);
    const own = new Schema(fields, file.schema?.metadata);
    const batch = batchOf(own, { length, data });
    schema ??= own;
    checkTypes(fields, schema.fields);
    return conformed(batch, schema);
  };
  return {
    withFile: (batch, values) =>
      assemble(values, { schema: batch.schema, data: batch.data.children, length: batch.numRows }),
    *withoutFile(values, rows) {
      for (let done = 0; done < rows; done += BATCH_ROWS) {
        yield assemble(values, { schema: undefined, data: [], length: Math.min(BATCH_ROWS, rows - done) });
      }
    },
  };
}

interface FileColumns {
  /** Undefined where no file was asked. */
  readonly schema: Schema | undefined;
  readonly data: readonly Data[];
  readonly length: number;
}

/** A nested type may hide a difference that the columns' printed types do not show. */
function checkTypes(own: readonly Field[], first: readonly Field[]): void {
  for (const [i, field] of first.entries()) {
    const found = own[i];
    if (found === undefined || typeName(found.type) === typeName(field.type)) continue;
    const [was, is] = [typeName(field.type), typeName(found.type)];
    throw new RiffleError("usage", `these files are not one table: column ${field.name} is ${was} and then ${is}`);
  }
}
