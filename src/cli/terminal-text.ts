/**
 * What moves a cursor, ends a line or turns the direction of text: C0 (but tab and line feed), DEL, C1, the separators of
 * Unicode and its marks of direction. Of escape sequences only colours are let through, which are our own: text from outside is
 * cleaned by `oneLine` before it is painted.
 */
const UNSAFE =
  // oxlint-disable-next-line no-control-regex -- these are what must not reach a terminal
  /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\u001b(?!\[[0-9;]{0,16}m)/g;

/** `text` as a terminal may have it: what is unsafe is shown as JSON would escape it, so that JSON means the same still. */
export function terminalText(text: string): string {
  return text.replaceAll(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
