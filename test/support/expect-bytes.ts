import { expect } from "vitest";

/** `toEqual` looks at every byte as a property of its own: seconds for a megabyte. */
export function expectBytes(actual: Uint8Array, wanted: Uint8Array): void {
  expect(actual.length).toBe(wanted.length);
  expect(Buffer.compare(actual, wanted)).toBe(0);
}
