import fc from "fast-check";
import { expect, test } from "vitest";
import { DEFERRED, NO_REPLY } from "../../src/mount/exchange.ts";
import { MAX_READ_BYTES, OP, OUT_HEADER_BYTES } from "../../src/mount/protocol.ts";
import { setUpHandler, tree } from "../support/handler.ts";
import { message, parseReply, readIn, text } from "../support/messages.ts";

test("any bytes get no reply, a deferral, or a reply of a length that was asked for", () => {
  const { raw } = setUpHandler();
  const valid = fc.record({
    opcode: fc.oneof(fc.constantFrom(...Object.values(OP)), fc.nat(70)),
    node: fc.oneof(fc.nat(tree.rows + 3), fc.maxSafeNat()),
    body: fc.oneof(
      fc.uint8Array({ maxLength: 120 }),
      fc.record({ offset: fc.oneof(fc.nat(20_000), fc.maxSafeNat()), size: fc.nat(2 ** 21) }).map(readIn),
      fc.string({ maxLength: 300 }).map(text),
      fc.constantFrom("a.bin", "b", ".oci", "link").map(text),
    ),
  });
  const mutated = fc
    .tuple(valid.map(message), fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 }))
    .map(([bytes, changes]) => {
      const copy = Buffer.from(bytes);
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
      return copy;
    });
  fc.assert(
    fc.property(fc.oneof(valid.map(message), mutated, fc.uint8Array({ maxLength: 8192 })), (bytes) => {
      const { length, reply } = raw(bytes);
      if (length === NO_REPLY || length === DEFERRED) return;
      const parsed = parseReply(reply.subarray(0, length));
      expect(parsed.length).toBe(length);
      expect(length).toBeLessThanOrEqual(OUT_HEADER_BYTES + MAX_READ_BYTES);
      expect(parsed.error).toBeLessThanOrEqual(0);
      expect(parsed.error).toBeGreaterThan(-512);
      if (parsed.error !== 0) expect(length).toBe(OUT_HEADER_BYTES);
    }),
    { numRuns: 3000 },
  );
});
