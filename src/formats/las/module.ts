import type { RangeSource } from "../../bytes/source.ts";
import { extentTable, NO_EXTENTS, type Extent, type ExtentTable } from "../extents.ts";
import type { Fact, FileInfo, FormatOptions } from "../format.ts";
import type { FormatModule } from "../format-module.ts";
import { readCopcInfo, readRootPage, type CopcInfo, type CopcNode } from "./copc.ts";
import { crsOf } from "./crs.ts";
import { readLasHeader, type LasHeader } from "./header.ts";

const SHOWN_RECORDS = 100;
/** For the mount: a root page of 100,000 nodes. */
const EXTENT_PAGE_BYTES = 4 * 1024 * 1024;

function headerFacts(header: LasHeader): Record<string, Fact> {
  return {
    version: header.version,
    points: header.points,
    pointFormat: header.pointFormat,
    pointBytes: header.pointBytes,
    compression: header.isCompressed ? "LAZ" : "none",
    min: header.min,
    max: header.max,
    scale: header.scale,
    offset: header.offset,
    system: header.system,
    software: header.software,
    ...(header.year > 0 && { created: `day ${header.day} of ${header.year}` }),
  };
}

function copcFacts(copc: CopcInfo, nodes: readonly CopcNode[]): Fact {
  const withPoints = nodes.filter(({ points }) => points >= 0);
  return {
    center: copc.center,
    halfSize: copc.halfSize,
    spacing: copc.spacing,
    nodesInRootPage: withPoints.length,
    pagesBelow: nodes.length - withPoints.length,
    levels: withPoints.reduce((most, { level }) => Math.max(most, level + 1), 0),
  };
}

/** One request; two for COPC, whose hierarchy lies at the end. */
async function info(source: RangeSource, options: FormatOptions = {}): Promise<FileInfo> {
  const file = await readLasHeader(source, options);
  const { header } = file;
  const copc = await readCopcInfo(file, source.size);
  const nodes = copc === undefined ? [] : await readRootPage(source, copc, options);
  const crs = await crsOf(file);
  const end = header.isCompressed ? header.pointsStart : header.pointsStart + header.points * header.pointBytes;
  return {
    format: "las",
    title: copc === undefined ? (header.isCompressed ? "LAZ point cloud" : "LAS point cloud") : "COPC point cloud",
    facts: {
      ...headerFacts(header),
      ...(crs !== undefined && { crs }),
      ...(copc !== undefined && { copc: copcFacts(copc, nodes) }),
      records: header.records.slice(0, SHOWN_RECORDS).map(({ user, id, payload }) => ({
        user,
        id,
        bytes: payload.end - payload.start,
      })),
    },
    notes: [
      ...(copc === undefined && header.isCompressed
        ? ["not COPC: its chunks are found by a table at its end, and no part of space can be read alone"]
        : []),
      ...(end > source.size ? ["cut short: points would end behind the end of the file"] : []),
      ...(header.records.length < header.recordCount
        ? [`${header.records.length} of ${header.recordCount} records were looked at`]
        : []),
    ],
  };
}

/** The nodes of COPC's root page. Other LAS files have no index that is cheap to read. */
async function extents(source: RangeSource, options: FormatOptions = {}): Promise<ExtentTable> {
  const file = await readLasHeader(source, options);
  const copc = await readCopcInfo(file, source.size);
  const limit = Math.min(options.maxBytes ?? EXTENT_PAGE_BYTES, EXTENT_PAGE_BYTES);
  if (copc === undefined || copc.rootPage.end - copc.rootPage.start > limit) return NO_EXTENTS;
  const nodes = await readRootPage(source, copc, options);
  const units = nodes.map(({ start, bytes, level, points }): Extent => {
    // Nodes of one level are read together; pages of the hierarchy are followed by nothing.
    return { start, end: start + bytes, series: points >= 0 ? Math.max(0, level) : -1 };
  });
  return extentTable([{ ...copc.rootPage, series: -1 }, ...units], source.size);
}

export const las: FormatModule = { info, extents };
