/** x and y of every vertex of little-endian WKB, in order: read apart from the code that writes it. */
export function coordinatesOf(wkb: Uint8Array | null): number[] {
  if (wkb === null) return [];
  const view = new DataView(wkb.buffer, wkb.byteOffset, wkb.byteLength);
  const found: number[] = [];
  let at = 0;
  const uint32 = (): number => view.getUint32((at += 4) - 4, true);
  const vertex = (stride: number): void => {
    found.push(view.getFloat64(at, true), view.getFloat64(at + 8, true));
    at += stride;
  };
  const geometry = (): void => {
    at += 1;
    const code = uint32();
    const type = code % 1000;
    const stride = [16, 24, 24, 32][Math.floor(code / 1000)] ?? NaN;
    if (type === 1) return vertex(stride);
    const count = uint32();
    for (let index = 0; index < count; index++) {
      if (type === 2 || type === 8) vertex(stride);
      else if (type === 3 || type === 17) for (let left = uint32(); left > 0; left--) vertex(stride);
      else geometry();
    }
  };
  geometry();
  if (at !== wkb.length) throw new Error(`${wkb.length - at} bytes behind a geometry`);
  return found;
}
