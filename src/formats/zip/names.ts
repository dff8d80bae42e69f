import { crc32 } from "node:zlib";
import { validUtf8, viewOf } from "../binary.ts";

/** The upper half of code page 437, the format's own (APPNOTE.TXT, appendix D). The lower half is ASCII. */
const UPPER_437 =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

const UNICODE_PATH_VERSION = 1;

function codePage437(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => (byte < 0x80 ? String.fromCharCode(byte) : (UPPER_437[byte - 0x80] ?? ""))).join(
    "",
  );
}

/**
 * What a member is called: the first Unicode path of its extra fields that belongs to this name (its checksum says so), else the name in the header: UTF-8 where it is flagged or valid, else code page 437.
 */
export function memberName(
  name: Uint8Array,
  options: { isUtf8: boolean; unicodePaths: readonly Uint8Array[] },
): string {
  for (const unicodePath of options.unicodePaths) {
    if (unicodePath.length <= 5) continue;
    const view = viewOf(unicodePath);
    const fits = view.getUint8(0) === UNICODE_PATH_VERSION && view.getUint32(1, true) === crc32(name);
    const text = fits ? validUtf8(unicodePath.subarray(5)) : undefined;
    if (text !== undefined) return text;
  }
  return validUtf8(name) ?? (options.isUtf8 ? new TextDecoder().decode(name) : codePage437(name));
}
