import type { RasterBand, RasterWindow } from "../raster.ts";
import type { RasterResult } from "./raster-result.ts";

/** The same result in colours: its one band are numbers of `palette`, red, green and blue of each colour in turn. */
export function inColours(result: RasterResult, palette: Uint8Array): RasterResult {
  const nodata = result.bands[0]?.nodata;
  const band = (meaning: string): RasterBand => ({ type: "uint8", nodata: undefined, description: undefined, meaning });
  return {
    ...result,
    bands: [band("red"), band("green"), band("blue")],
    sampleBytes: 1,
    windows: async function* () {
      for await (const window of result.windows()) yield paletteWindow(window, { palette, nodata });
    },
  };
}

/** A number that the palette does not have is black, as GDAL shows it. */
function paletteWindow(
  window: RasterWindow,
  { palette, nodata }: { readonly palette: Uint8Array; readonly nodata: number | undefined },
): RasterWindow {
  const samples = window.bands[0] ?? new Uint8Array();
  const bands = [0, 1, 2].map((part) => {
    const band = new Uint8Array(samples.length);
    for (let i = 0; i < band.length; i += 1) band[i] = palette[Number(samples[i]) * 3 + part] ?? 0;
    return band;
  });
  if (nodata === undefined) return { ...window, bands };
  const mask = window.mask?.slice() ?? new Uint8Array(samples.length).fill(255);
  for (let i = 0; i < mask.length; i += 1) if (Number(samples[i]) === nodata) mask[i] = 0;
  return { ...window, bands, mask };
}
