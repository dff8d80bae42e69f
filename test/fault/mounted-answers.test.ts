import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import {
  ASKED,
  FAULT_TABLE,
  faultFiles,
  LATE_MS,
  LIMIT_MS,
  tableFault,
  titleOf,
} from "../support/faults/fault-table.ts";
import { startFaultyRegistry, type FaultyRegistry } from "../support/faults/faulty-registry.ts";
import { sha256 } from "../support/liar.ts";
import { mountObstacle } from "../support/processes.ts";

const obstacle = mountObstacle();
const files = faultFiles();
const healed = new Set<string>();
const SIZE = ASKED.end - ASKED.start;

describe.skipIf(obstacle !== undefined)(
  `a program that reads a mount${obstacle === undefined ? "" : `: skipped, ${obstacle}`}, when answers are`,
  () => {
    let home: FaultHome;
    let registry: FaultyRegistry;
    let place: string;
    beforeAll(async () => {
      home = faultHome();
      registry = await startFaultyRegistry({ files, fault: tableFault(healed) });
      place = home.place("mnt");
      const words = ["mount", registry.reference, place, "--timeout", `${LIMIT_MS}ms`];
      expect(await home.riffle(words)).toMatchObject({ code: 0, stderr: "" });
    });
    afterAll(async () => {
      try {
        expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0, stderr: "" });
      } finally {
        await home.end();
        await registry[Symbol.asyncDispose]();
      }
    });

    const read = async (title: string): Promise<{ sum: string; says: string; ms: number }> => {
      const script = `dd if=${place}/${title} bs=${SIZE} skip=${ASKED.start / SIZE} count=1 status=none | sha256sum`;
      const { stdout, stderr, ms } = await home.sh(script);
      return { sum: stdout.toString().slice(0, 64), says: stderr, ms };
    };
    const right = (title: string): string => {
      const bytes = files.find((file) => file.title === title)?.bytes ?? new Uint8Array();
      return sha256(bytes.subarray(ASKED.start, ASKED.end)).slice(7);
    };
    const nothing = sha256("").slice(7);

    test.concurrent.each(FAULT_TABLE)("$name", async (row) => {
      const title = titleOf(row);
      const { sum, says, ms } = await read(title);
      expect(ms).toBeLessThan(LATE_MS);
      expect(registry.count(title)).toBeLessThanOrEqual(row.requests);
      if (row.sees === "right" || (row.mayBeRight === true && says === ""))
        expect([sum, says]).toEqual([right(title), ""]);
      else {
        expect([sum, says]).toEqual([nothing, expect.stringContaining("Input/output error")]);
        expect((await home.sh(`cat ${place}/.oci/errors`)).stdout.toString()).toContain(`${title}: `);
      }
      healed.add(title);
      const before = registry.count(title);
      expect(await read(title)).toMatchObject({ sum: right(title), says: "" });
      expect(registry.count(title) - before).toBeLessThanOrEqual(2);
    });
  },
);
