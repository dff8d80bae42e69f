/** Of a WebAssembly module. */
const MEMORY_SECTION = 5;
const HEADER_BYTES = 8;
const PAGE_BYTES = 65_536;

/**
 * The module with a ceiling on its one memory, in bytes: what needs more fails inside, and the process keeps its memory. By
 * the binary format of WebAssembly 1.0, sections 5.5.2 and 5.3.8; a module that already has a ceiling is left as it is.
 */
export function limitMemory(module: Uint8Array, maxBytes: number): Uint8Array {
  for (let at = HEADER_BYTES; at < module.length;) {
    const section = module[at];
    const size = readNumber(module, at + 1);
    const end = size.end + size.value;
    if (section === MEMORY_SECTION) {
      const count = readNumber(module, size.end);
      const flags = module[count.end];
      if (count.value !== 1 || flags !== 0) return module;
      const minimum = readNumber(module, count.end + 1);
      const pages = Math.max(minimum.value, Math.min(65_536, Math.floor(maxBytes / PAGE_BYTES)));
      const content = [1, 1, ...number(minimum.value), ...number(pages)];
      const parts = [
        module.subarray(0, at),
        [MEMORY_SECTION, ...number(content.length), ...content],
        module.subarray(end),
      ];
      return Buffer.concat(parts.map((part) => Uint8Array.from(part)));
    }
    at = end;
  }
  return module;
}

function readNumber(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let index = 0; index < 5; index++) {
    const byte = bytes[at + index] ?? 0;
    value += (byte & 127) * 128 ** index;
    if (byte < 128) return { value, end: at + index + 1 };
  }
  return { value, end: at + 5 };
}

function number(value: number): readonly number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...number(Math.floor(value / 128))];
}
