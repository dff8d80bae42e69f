import type { MutateOptions } from "./mutate.ts";

/** What stands for any value; `JSON.stringify` cannot write some of what JSON can say, so these are texts. */
const ODD = [
  "null",
  "true",
  "-1",
  "0",
  "1.5",
  "1e400",
  "-0",
  "9007199254740993",
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"../../etc/passwd"',
  '"__proto__"',
  "[]",
  "{}",
  "[[[[[[]]]]]]",
  '{"__proto__":{"a":1}}',
  '{"constructor":{"prototype":1}}',
];

type Value = null | boolean | number | string | readonly Value[] | { readonly [name: string]: Value };

/** The document with some values replaced, members dropped, doubled or renamed; undefined when it is none. */
export function mutateJson(input: Uint8Array, options: MutateOptions): Uint8Array | undefined {
  let value: Value;
  try {
    // JSON gives nothing but these.
    value = JSON.parse(Buffer.from(input).toString("utf8")) as Value;
  } catch {
    return undefined;
  }
  const total = count(value, 0);
  const places = new Set(Array.from({ length: 1 + options.random(3) }, () => options.random(total)));
  let seen = 0;
  const write = (given: Value): string => {
    const place = seen;
    seen += 1;
    if (places.has(place)) return odd(given, options);
    if (Array.isArray(given)) return `[${given.map((one: Value) => write(one)).join(",")}]`;
    if (typeof given !== "object" || given === null) return JSON.stringify(given);
    const members = Object.entries(given).map(([name, one]) => `${nameOf(name, options)}:${write(one)}`);
    return `{${members.join(",")}}`;
  };
  return new Uint8Array(Buffer.from(write(value))).subarray(0, options.maxBytes);
}

function nameOf(name: string, { random, words }: MutateOptions): string {
  if (random(200) > 0) return JSON.stringify(name);
  return JSON.stringify(random(2) === 0 ? "__proto__" : (words[random(Math.max(1, words.length))] ?? ""));
}

function odd(value: Value, { random, words }: MutateOptions): string {
  const dice = random(8);
  if (dice === 0 && words.length > 0) return JSON.stringify(words[random(words.length)]);
  if (dice === 1 && typeof value === "string") return JSON.stringify(value.repeat(1 + random(300)));
  if (dice === 2) return `[${Array.from({ length: random(200) }, () => JSON.stringify(value)).join(",")}]`;
  if (dice === 3 && typeof value === "string") return JSON.stringify(value.slice(0, random(value.length + 1)));
  if (dice === 4) return "[".repeat(random(100)) + JSON.stringify(value) + "]".repeat(random(100));
  return ODD[random(ODD.length)] ?? "null";
}

function count(value: Value, before: number): number {
  let total = before + 1;
  if (typeof value === "object" && value !== null) for (const one of Object.values(value)) total = count(one, total);
  return total;
}
