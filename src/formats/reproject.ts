import { RiffleError } from "../errors.ts";

/** x and y, in degrees for geographic systems (longitude first, always). */
export type Point = readonly [x: number, y: number];

/**
 * Systems that proj4 does not bring along, whose datum is WGS 84's within a metre, with the parameters that the EPSG registry
 * gives for them.
 */
const KNOWN: Readonly<Record<string, string>> = {
  "EPSG:4258": "+proj=longlat +ellps=GRS80 +towgs84=0,0,0 +no_defs",
  "EPSG:4283": "+proj=longlat +ellps=GRS80 +towgs84=0,0,0 +no_defs",
  "EPSG:7844": "+proj=longlat +ellps=GRS80 +towgs84=0,0,0 +no_defs",
  "EPSG:4167": "+proj=longlat +ellps=GRS80 +towgs84=0,0,0 +no_defs",
  "EPSG:4979": "+proj=longlat +datum=WGS84 +no_defs",
  "EPSG:2154":
    "+proj=lcc +lat_0=46.5 +lon_0=3 +lat_1=49 +lat_2=44 +x_0=700000 +y_0=6600000 +ellps=GRS80 +towgs84=0,0,0 +units=m +no_defs",
  "EPSG:2193":
    "+proj=tmerc +lat_0=0 +lon_0=173 +k=0.9996 +x_0=1600000 +y_0=10000000 +ellps=GRS80 +towgs84=0,0,0 +units=m +no_defs",
  "EPSG:3031": "+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=0 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs",
  "EPSG:3035": "+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +y_0=3210000 +ellps=GRS80 +towgs84=0,0,0 +units=m +no_defs",
  "EPSG:3395": "+proj=merc +lon_0=0 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs",
  "EPSG:3413": "+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs",
  "EPSG:3577":
    "+proj=aea +lat_0=0 +lon_0=132 +lat_1=-18 +lat_2=-36 +x_0=0 +y_0=0 +ellps=GRS80 +towgs84=0,0,0 +units=m +no_defs",
  "EPSG:3995": "+proj=stere +lat_0=90 +lat_ts=71 +lon_0=0 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs",
  "EPSG:5070": "+proj=aea +lat_0=23 +lon_0=-96 +lat_1=29.5 +lat_2=45.5 +x_0=0 +y_0=0 +datum=NAD83 +units=m +no_defs",
  "EPSG:6933": "+proj=cea +lat_ts=30 +lon_0=0 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs",
};

/** Numbers of UTM zones: the EPSG codes are `base` + zone. */
const UTM = [
  { base: 32600, zones: 60, terms: "+datum=WGS84" },
  { base: 32700, zones: 60, terms: "+south +datum=WGS84" },
  { base: 25800, zones: 38, terms: "+ellps=GRS80 +towgs84=0,0,0" },
  { base: 26900, zones: 23, terms: "+datum=NAD83" },
  { base: 28300, zones: 58, terms: "+south +ellps=GRS80 +towgs84=0,0,0" },
  { base: 7800, zones: 59, terms: "+south +ellps=GRS80 +towgs84=0,0,0" },
] as const;

/** From one system to another. Throws `usage` naming a system that is unknown, or a point that has no place in the other. */
export async function reprojector(crs: {
  readonly from: string;
  readonly to: string;
}): Promise<(point: Point) => Point> {
  const { default: proj4 } = await import("proj4");
  const defined = (name: string): string => {
    const code = name.trim().toUpperCase();
    const text = KNOWN[code] ?? (proj4.defs(code) === undefined ? (utm(code) ?? name) : code);
    try {
      proj4(text);
      return text;
    } catch (error) {
      throw new RiffleError("usage", `the coordinate reference system ${name.slice(0, 200)} is not known here`, {
        hint: "give it as a PROJ string or WKT, or give the box in the raster's own coordinates",
        facts: { crs: name.slice(0, 200) },
        cause: error,
      });
    }
  };
  const [from, to] = [defined(crs.from), defined(crs.to)];
  const converter = proj4(from, to);
  return ([x, y]) => {
    const [u = NaN, v = NaN] = converter.forward([x, y]);
    if (Number.isFinite(u) && Number.isFinite(v)) return [u, v];
    throw new RiffleError("usage", `the point ${x}, ${y} of ${crs.from} has no place in ${crs.to.slice(0, 200)}`);
  };
}

/** Whether coordinates are degrees of longitude, which come round. */
export async function isGeographic(crs: string): Promise<boolean> {
  const { default: proj4 } = await import("proj4");
  const code = crs.trim().toUpperCase();
  const known = proj4.defs(code);
  if (known !== undefined && "projName" in known) return known.projName === "longlat";
  return /^GEOG|\+proj=(longlat|latlong|latlon|lonlat)/.test((KNOWN[code] ?? crs).trim());
}

function utm(code: string): string | undefined {
  const number = Number(/^EPSG:(\d{4,5})$/.exec(code)?.[1] ?? "NaN");
  const series = UTM.find(({ base, zones }) => number > base && number <= base + zones);
  return series && `+proj=utm +zone=${number - series.base} ${series.terms} +units=m +no_defs`;
}
