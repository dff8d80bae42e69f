/** Tag numbers of TIFF 6.0, its supplements, GeoTIFF 1.1 (OGC 19-008r4) and GDAL. */
export const TAG = {
  subfileType: 254,
  width: 256,
  height: 257,
  bits: 258,
  compression: 259,
  photometric: 262,
  fillOrder: 266,
  stripOffsets: 273,
  samples: 277,
  rowsPerStrip: 278,
  stripCounts: 279,
  planar: 284,
  predictor: 317,
  colorMap: 320,
  tileWidth: 322,
  tileHeight: 323,
  tileOffsets: 324,
  tileCounts: 325,
  subIfds: 330,
  extraSamples: 338,
  sampleFormat: 339,
  jpegTables: 347,
  chromaSubsampling: 530,
  pixelScale: 33550,
  tiepoints: 33922,
  transformation: 34264,
  geoKeys: 34735,
  geoDoubles: 34736,
  geoTexts: 34737,
  gdalMetadata: 42112,
  gdalNodata: 42113,
  lercParameters: 50674,
} as const;

export const PHOTOMETRIC = {
  minIsWhite: 0,
  minIsBlack: 1,
  rgb: 2,
  palette: 3,
  mask: 4,
  cmyk: 5,
  ycbcr: 6,
  cielab: 8,
} as const;

const COMPRESSIONS: Readonly<Record<number, string>> = {
  1: "none",
  2: "CCITT RLE",
  3: "CCITT fax group 3",
  4: "CCITT fax group 4",
  5: "LZW",
  6: "old-style JPEG",
  7: "JPEG",
  8: "deflate",
  32766: "NeXT RLE",
  32771: "CCITT RLE (word aligned)",
  32773: "PackBits",
  32809: "ThunderScan",
  32946: "deflate",
  33003: "JPEG 2000 (Aperio)",
  33005: "JPEG 2000 (Aperio)",
  34661: "JBIG",
  34676: "SGI LogLuv",
  34677: "SGI LogLuv 24",
  34712: "JPEG 2000",
  34887: "LERC",
  34892: "lossy JPEG (DNG)",
  34925: "LZMA",
  34926: "zstd",
  50000: "zstd",
  50001: "WebP",
  50002: "JPEG XL",
  52546: "JPEG XL (DNG)",
};

/** Whether the number stands for a compression at all. */
export function isCompression(code: number): boolean {
  return code in COMPRESSIONS;
}

export function compressionName(code: number): string {
  return COMPRESSIONS[code] ?? `compression ${code}`;
}
