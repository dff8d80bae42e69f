import { readFileSync } from "node:fs";
import { join } from "node:path";
import { FIXTURES } from "../../support/fixtures.ts";

/** One TIFF of `expected.json`; the guide of the fixtures defines the facts. */
export interface TiffFacts {
  readonly outcome: "read" | "refuse" | "refuse-data" | "unsupported" | "metadata" | "settle";
  readonly why?: string;
  readonly codec?: string;
  readonly pixels?: string;
  readonly endian?: "little" | "big";
  readonly bigTiff?: boolean;
  readonly ghostArea?: boolean;
  readonly ifds?: readonly { readonly [fact: string]: unknown }[];
  readonly width?: number;
  readonly height?: number;
  readonly bands?: number;
  readonly dtype?: string;
  readonly nodata?: string | null;
  readonly block?: readonly [number, number];
  readonly crs?: string | null;
  readonly transform?: readonly string[];
  readonly sha256?: string;
  readonly window?: {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
    readonly sha256: string;
  };
  readonly overview?: readonly { readonly width: number; readonly height: number; readonly sha256: string }[];
  readonly overviews?: readonly number[];
  readonly maskFlags?: readonly (readonly string[])[];
  readonly maskSha256?: string;
  readonly stats?: readonly { readonly min: string; readonly max: string; readonly mean: string }[];
}

export interface TiffFixture {
  readonly name: string;
  readonly facts: TiffFacts;
}

/** All TIFF units; none where there are no fixtures. */
export function tiffFixtures(): readonly TiffFixture[] {
  if (FIXTURES === undefined) return [];
  // the file that the fixtures' guide defines; `format` tells whose facts they are
  const { files } = JSON.parse(readFileSync(join(FIXTURES, "expected.json"), "utf8")) as {
    readonly files: Readonly<Record<string, TiffFacts & { readonly format: string }>>;
  };
  return Object.entries(files)
    .filter(([, facts]) => facts.format === "tiff")
    .map(([name, facts]) => ({ name, facts }));
}
