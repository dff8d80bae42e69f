import { afterAll, beforeAll, beforeEach, expect } from "vitest";
import { faultHome, type FaultHome } from "../fault-home.ts";
import { startFaultyRegistry, type FaultyRegistry, type FaultyRegistryOptions } from "./faulty-registry.ts";

export interface FaultyMountOptions extends FaultyRegistryOptions {
  readonly flags?: readonly string[];
  /** No mount: for tests of the library and of commands. */
  readonly isUnmounted?: boolean;
}

/** A faulty registry, a home, and a mount of its artifact, for all tests of a file. */
export interface FaultyMount {
  readonly registry: FaultyRegistry;
  readonly home: FaultHome;
  readonly place: string;
  /** What a shell beside us prints to stdout; in the mount's directory. */
  sh(script: string): Promise<string>;
}

/** Made before the tests of the file or suite that calls it, taken away after them. Each test begins without faults. */
export function faultyMount(options: FaultyMountOptions): FaultyMount {
  const parts: { registry?: FaultyRegistry; home?: FaultHome; place?: string } = {};
  const part = <Name extends keyof typeof parts>(name: Name): NonNullable<(typeof parts)[Name]> => {
    const found = parts[name];
    if (found === undefined) throw new Error(`no ${name} yet`);
    return found;
  };
  beforeAll(async () => {
    parts.registry = await startFaultyRegistry(options);
    parts.home = faultHome();
    parts.place = parts.home.place("mnt");
    if (options.isUnmounted === true) return;
    const words = ["mount", "-q", parts.registry.reference, parts.place, "--timeout", "2s", ...(options.flags ?? [])];
    expect(await parts.home.riffle(words)).toMatchObject({ code: 0, stderr: "" });
  });
  beforeEach(() => {
    parts.registry?.setFault(options.fault);
    parts.registry?.forget();
  });
  afterAll(async () => {
    try {
      if (part("home").mounts().includes(part("place"))) await part("home").riffle(["unmount", part("place")]);
      await parts.home?.end();
    } finally {
      await parts.registry?.[Symbol.asyncDispose]();
    }
  });
  return {
    get registry() {
      return part("registry");
    },
    get home() {
      return part("home");
    },
    get place() {
      return part("place");
    },
    sh: async (script) => (await part("home").sh(`cd ${part("place")} && { ${script}\n}`)).stdout.toString(),
  };
}
