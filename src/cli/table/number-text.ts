/** The shortest decimal that reads back as the same double; `-0` keeps its sign; `NaN`, `Infinity` as JavaScript names them. */
export function doubleText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** The same for a 32-bit float: `0.1`, not `0.10000000149011612`. */
export function floatText(value: number): string {
  if (Number.isFinite(value) && !Number.isInteger(value)) {
    for (let digits = 6; digits <= 9; digits++) {
      const short = Number(value.toPrecision(digits));
      if (Math.fround(short) === value) return doubleText(short);
    }
  }
  return doubleText(value);
}

/** Two's complement words, lowest first, with the decimal point put in: all digits of the scale. */
export function decimalText(words: Uint32Array, scale: number): string {
  let value = 0n;
  for (let i = words.length - 1; i >= 0; i--) value = (value << 32n) | BigInt(words[i] ?? 0);
  value = BigInt.asIntN(words.length * 32, value);
  if (scale <= 0) return (value * 10n ** BigInt(-scale)).toString();
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0");
  return `${value < 0n ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}
