import { latin1, viewOf } from "../binary.ts";
import type { LasFile } from "./header.ts";

/** LAS 1.4, section 2.6: coordinate systems as WKT or as GeoTIFF keys. */
const PROJECTION_USER = "LASF_Projection";
const WKT_ID = 2112;
const GEO_KEYS_ID = 34735;
/** GeoTIFF 1.1: GeodeticCRSGeoKey and ProjectedCRSGeoKey; the latter says more. */
const GEODETIC_KEY = 2048;
const PROJECTED_KEY = 3072;
const USER_DEFINED = 32767;
const KEY_SHORTS = 4;

function epsgOfKeys(bytes: Uint8Array): string | undefined {
  const view = viewOf(bytes);
  const found = new Map<number, number>();
  for (let at = KEY_SHORTS * 2; at + KEY_SHORTS * 2 <= bytes.length; at += KEY_SHORTS * 2) {
    found.set(view.getUint16(at, true), view.getUint16(at + 6, true));
  }
  const code = found.get(PROJECTED_KEY) ?? found.get(GEODETIC_KEY);
  return code === undefined || code === 0 || code === USER_DEFINED ? undefined : `EPSG:${code}`;
}

/** The name of the system in its WKT. */
function nameOfWkt(wkt: string): string | undefined {
  return /^\s*[A-Z_0-9]+\s*[[(]\s*"([^"]{1,200})"/i.exec(wkt)?.[1];
}

/** Of the points, as far as the records that were read tell; undefined where they do not. */
export async function crsOf({ header, pieces }: LasFile): Promise<string | undefined> {
  const recordOf = (id: number): (typeof header.records)[number] | undefined =>
    header.records.find((record) => record.user === PROJECTION_USER && record.id === id);
  const wkt = recordOf(WKT_ID);
  if (wkt !== undefined) return nameOfWkt(latin1(await pieces.read(wkt.payload)));
  const keys = recordOf(GEO_KEYS_ID);
  return keys === undefined ? undefined : epsgOfKeys(await pieces.read(keys.payload));
}
