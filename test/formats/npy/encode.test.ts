import { describe, expect, test } from "vitest";
import { npyHeader } from "../../../src/formats/npy/encode.ts";

describe("the header of a .npy file", () => {
  test("is the one that NumPy writes", () => {
    const header = npyHeader({ dtype: "<f4", shape: [3, 4] });
    expect(Buffer.from(header.subarray(0, 10)).toString("hex")).toBe("934e554d505901007600");
    expect(Buffer.from(header.subarray(10)).toString("latin1")).toBe(
      `${"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }".padEnd(117)}\n`,
    );
  });

  test.each([
    [[], "()"],
    [[5], "(5,)"],
    [[0, 2], "(0, 2)"],
  ])("writes shape %j as a tuple", (shape, text) => {
    const header = npyHeader({ dtype: "|u1", shape });
    expect(Buffer.from(header).toString("latin1")).toContain(`'shape': ${text}, }`);
    expect(header.length % 64).toBe(0);
  });

  test("takes version 2 where 64 KiB are too few", () => {
    const fields = Array.from({ length: 6000 }, (_, i) => `('f${i}', '<f4')`).join(", ");
    const header = npyHeader({ dtype: `[${fields}]`, shape: [1] });
    expect(header[6]).toBe(2);
    expect(new DataView(header.buffer, header.byteOffset).getUint32(8, true)).toBe(header.length - 12);
    expect(header.length % 64).toBe(0);
    expect(header.at(-1)).toBe(10);
  });

  test.each(["bfloat16", "|O", "f4", "<f4', 'x': '"])("refuses %s", (dtype) => {
    expect(() => npyHeader({ dtype, shape: [1] })).toThrow(/no type/);
  });
});
