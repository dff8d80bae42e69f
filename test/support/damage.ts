import { memorySource, type RangeSource } from "../../src/bytes/source.ts";
import { isRiffleError } from "../../src/errors.ts";

export interface DamageOptions {
  readonly seed: number;
  readonly rounds: number;
  /** Bytes from the start that damage falls on; default: all. */
  readonly within?: number;
}

/** Numbers below a bound, the same for a seed. */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Runs `call` on damaged copies of a sound file; throws what it rejects with where that is no error of ours, naming the round. */
export async function surviveDamage(
  sound: Uint8Array,
  call: (source: RangeSource) => Promise<unknown>,
  { seed, rounds, within = sound.length }: DamageOptions,
): Promise<void> {
  const random = seededRandom(seed);
  for (let round = 0; round < rounds; round += 1) {
    const bytes = Uint8Array.from(sound);
    for (let edit = random(4); edit >= 0; edit -= 1) {
      bytes[random(within)] = random(3) === 0 ? 255 : random(256);
    }
    const cut = random(4) === 0 ? random(bytes.length + 1) : bytes.length;
    try {
      await call(memorySource("damaged", bytes.subarray(0, cut)));
    } catch (error) {
      if (!isRiffleError(error)) throw new Error(`seed ${seed}, round ${round}`, { cause: error });
    }
  }
}
