const PAGE = 4096;

/** Bytes that differ from page to page, so that a page in the wrong place is seen. */
export function patterned(size: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * 31 + Math.floor(at / PAGE) * 7 + seed * 101) & 0xff;
  return bytes;
}
