/** Deterministic content: byte `i` of file `seed` depends on both, on the page as well as on the place in it. */
export function patternByte(seed: number, i: number): number {
  return ((i % 251) + Math.floor(i / 4096) * 7 + seed * 13) & 255;
}

export function patternBytes(seed: number, start: number, end: number): Uint8Array {
  const bytes = new Uint8Array(end - start);
  for (let i = start; i < end; i += 1) bytes[i - start] = patternByte(seed, i);
  return bytes;
}
