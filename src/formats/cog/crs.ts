import type { GeoKeys } from "./georeference.ts";

const MODEL_TYPE = 1024;
const CITATION = 1026;
const GEODETIC_CRS = 2048;
const DATUM = 2050;
const ANGULAR_UNIT = 2054;
const ELLIPSOID = 2056;
const SEMI_MAJOR = 2057;
const SEMI_MINOR = 2058;
const INVERSE_FLATTENING = 2059;
const PRIME_MERIDIAN_LONGITUDE = 2061;
const TO_WGS84 = 2062;
const PROJECTED_CRS = 3072;
const PROJECTED_CITATION = 3073;
const PROJECTION = 3074;
const METHOD = 3075;
const LINEAR_UNIT = 3076;
const LINEAR_UNIT_SIZE = 3077;
const USER_DEFINED = 32767;

/** What a raster says of its coordinates. */
export interface RasterCrs {
  /** `EPSG:N`, or a PROJ string; undefined where the file says nothing, or nothing that a PROJ string can say. */
  readonly crs: string | undefined;
  /** Its name in the file, for people. */
  readonly citation: string | undefined;
  readonly kind: "projected" | "geographic" | "geocentric" | undefined;
}

/** From GeoKeys (OGC 19-008r4). Never throws. */
export function crsOf(keys: GeoKeys): RasterCrs {
  const model = keys.get(MODEL_TYPE);
  const kind = model === 1 ? "projected" : model === 2 ? "geographic" : model === 3 ? "geocentric" : undefined;
  const citation = keys.get(CITATION);
  return {
    crs: kind === "geographic" ? geodetic(keys) : (codeOf(keys, PROJECTED_CRS) ?? projected(keys) ?? esriText(keys)),
    citation: typeof citation === "string" ? citation : undefined,
    kind,
  };
}

function codeOf(keys: GeoKeys, key: number): string | undefined {
  const code = keys.get(key);
  // 0 is undefined, 32767 is user-defined; the codes between are EPSG's
  return typeof code === "number" && code >= 1024 && code < USER_DEFINED ? `EPSG:${code}` : undefined;
}

function geodetic(keys: GeoKeys): string | undefined {
  const code = codeOf(keys, GEODETIC_CRS);
  if (code !== undefined) return code;
  const body = figure(keys);
  const unit = keys.get(ANGULAR_UNIT) ?? 9102;
  return body === undefined || unit !== 9102 ? undefined : `+proj=longlat ${body} +no_defs`;
}

const DATUMS: Readonly<Record<number, string>> = {
  6326: "+datum=WGS84",
  6269: "+datum=NAD83",
  6267: "+datum=NAD27",
  6322: "+ellps=WGS72 +towgs84=0,0,4.5,0,0,0.554,0.2263",
  6258: "+ellps=GRS80 +towgs84=0,0,0",
};
const GEODETIC: Readonly<Record<number, string>> = {
  4326: "+datum=WGS84",
  4269: "+datum=NAD83",
  4267: "+datum=NAD27",
  4258: "+ellps=GRS80 +towgs84=0,0,0",
};
const ELLIPSOIDS: Readonly<Record<number, string>> = {
  7030: "+ellps=WGS84",
  7019: "+ellps=GRS80",
  7008: "+ellps=clrk66",
  7043: "+ellps=WGS72",
  7004: "+ellps=bessel",
  7022: "+ellps=intl",
  7048: "+a=6371000 +b=6371000",
};

function figure(keys: GeoKeys): string | undefined {
  const known = GEODETIC[numberOf(keys, GEODETIC_CRS)] ?? DATUMS[numberOf(keys, DATUM)];
  if (known !== undefined) return known;
  const ellipsoid = ELLIPSOIDS[numberOf(keys, ELLIPSOID)] ?? ownEllipsoid(keys);
  if (ellipsoid === undefined) return undefined;
  const shift = keys.get(TO_WGS84);
  const meridian = numberOf(keys, PRIME_MERIDIAN_LONGITUDE);
  return [
    ellipsoid,
    ...(Array.isArray(shift) ? [`+towgs84=${shift.join(",")}`] : []),
    ...(Number.isFinite(meridian) && meridian !== 0 ? [`+pm=${meridian}`] : []),
  ].join(" ");
}

function ownEllipsoid(keys: GeoKeys): string | undefined {
  const a = numberOf(keys, SEMI_MAJOR);
  if (!(a > 0)) return undefined;
  const inverse = numberOf(keys, INVERSE_FLATTENING);
  const b = numberOf(keys, SEMI_MINOR);
  if (inverse > 0) return `+a=${a} +rf=${inverse}`;
  return b > 0 ? `+a=${a} +b=${b}` : undefined;
}

function numberOf(keys: GeoKeys, key: number): number {
  const value = keys.get(key);
  return typeof value === "number" ? value : NaN;
}

/** PROJ's name of a method, and its parameters: PROJ's name, and the keys that may hold it, best first. */
interface Method {
  readonly proj: string;
  readonly parameters: Readonly<Record<string, readonly number[]>>;
}

const ORIGIN_LONGITUDE = [3080, 3084, 3088] as const;
const ORIGIN_LATITUDE = [3081, 3085, 3089] as const;
const EASTING = [3082, 3086, 3090] as const;
const NORTHING = [3083, 3087, 3091] as const;
const SCALE = [3092, 3093] as const;
const FALSE_ORIGIN = { x_0: EASTING, y_0: NORTHING } as const;
const CENTRED = { lon_0: [3088, 3080, 3084], lat_0: [3089, 3081, 3085], ...FALSE_ORIGIN } as const;
const NATURAL = { lon_0: ORIGIN_LONGITUDE, lat_0: ORIGIN_LATITUDE, ...FALSE_ORIGIN } as const;
const CONIC = { ...NATURAL, lat_1: [3078], lat_2: [3079] } as const;
const FALSE_CONIC = {
  ...CONIC,
  lon_0: [3084, 3080, 3088],
  lat_0: [3085, 3081, 3089],
  x_0: [3086, 3082],
  y_0: [3087, 3083],
};

/** OGC 19-008r4 annex C.4, by code of ProjectionMethod. */
const METHODS: Readonly<Record<number, Method>> = {
  1: { proj: "tmerc", parameters: { ...NATURAL, k_0: SCALE } },
  7: { proj: "merc", parameters: { lon_0: ORIGIN_LONGITUDE, ...FALSE_ORIGIN, k_0: SCALE, lat_ts: [3078] } },
  8: { proj: "lcc", parameters: FALSE_CONIC },
  9: { proj: "lcc", parameters: { ...NATURAL, lat_1: ORIGIN_LATITUDE, k_0: SCALE } },
  10: { proj: "laea", parameters: CENTRED },
  11: { proj: "aea", parameters: CONIC },
  12: { proj: "aeqd", parameters: CENTRED },
  13: { proj: "eqdc", parameters: CONIC },
  14: { proj: "stere", parameters: { ...CENTRED, k_0: SCALE } },
  17: { proj: "eqc", parameters: { lon_0: [3088, 3080], lat_ts: [3078], ...FALSE_ORIGIN } },
  18: { proj: "cass", parameters: NATURAL },
  19: { proj: "gnom", parameters: CENTRED },
  20: { proj: "mill", parameters: { lon_0: [3088, 3080], ...FALSE_ORIGIN } },
  21: { proj: "ortho", parameters: CENTRED },
  22: { proj: "poly", parameters: NATURAL },
  23: { proj: "robin", parameters: { lon_0: [3088, 3080], ...FALSE_ORIGIN } },
  24: { proj: "sinu", parameters: { lon_0: [3088, 3080], ...FALSE_ORIGIN } },
  25: { proj: "vandg", parameters: { lon_0: [3088, 3080], ...FALSE_ORIGIN } },
  28: { proj: "cea", parameters: { lon_0: [3080, 3088], lat_ts: [3078], ...FALSE_ORIGIN } },
};

const UNITS: Readonly<Record<number, string>> = { 9001: "+units=m", 9002: "+units=ft", 9003: "+units=us-ft" };

/** A WKT that some writers put into a citation; GDAL adds the PROJ string to it where WKT has no word for the method. */
function esriText(keys: GeoKeys): string | undefined {
  const texts = [keys.get(PROJECTED_CITATION), keys.get(CITATION)].map(String);
  const wkt = texts.map((text) => /^ESRI PE String = (PROJCS.*)$/s.exec(text)?.[1]).find((text) => text !== undefined);
  return wkt && (/EXTENSION\["PROJ4","([^"]+)"\]/.exec(wkt)?.[1] ?? wkt);
}

/** Zones of UTM have numbers among projections: 16001 to 16060 north, 16101 to 16160 south. */
function utmZone(keys: GeoKeys): string | undefined {
  const code = numberOf(keys, PROJECTION) - 16_000;
  const zone = code > 100 ? code - 100 : code;
  const body = figure(keys);
  if (!(zone >= 1 && zone <= 60) || code > 160 || body === undefined) return undefined;
  return `+proj=utm +zone=${zone} ${code > 100 ? "+south " : ""}${body} +units=m +no_defs`;
}

function projected(keys: GeoKeys): string | undefined {
  const zone = utmZone(keys);
  if (zone !== undefined) return zone;
  const method = METHODS[numberOf(keys, METHOD)];
  const body = figure(keys);
  const unit = UNITS[numberOf(keys, LINEAR_UNIT)] ?? unitOfSize(numberOf(keys, LINEAR_UNIT_SIZE));
  const metres = unitMetres(keys);
  if (method === undefined || body === undefined || unit === undefined) return undefined;
  const parameters = Object.entries(method.parameters).flatMap(([name, places]) => {
    const value = places.map((key) => numberOf(keys, key)).find((one) => Number.isFinite(one));
    if (value === undefined) return [];
    // GeoKeys give false origins in the CRS's own unit, PROJ wants metres
    return [`+${name}=${name === "x_0" || name === "y_0" ? value * metres : value}`];
  });
  return [`+proj=${method.proj}`, ...parameters, body, unit, "+no_defs"].join(" ");
}

function unitOfSize(metres: number): string | undefined {
  return metres > 0 ? `+to_meter=${metres}` : undefined;
}

function unitMetres(keys: GeoKeys): number {
  const known = { 9001: 1, 9002: 0.3048, 9003: 1200 / 3937 }[numberOf(keys, LINEAR_UNIT)];
  return known ?? (numberOf(keys, LINEAR_UNIT_SIZE) || 1);
}
