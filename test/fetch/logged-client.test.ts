import { expect, test } from "vitest";
import type { HttpClient } from "../../src/fetch/http.ts";
import { loggedClient } from "../../src/fetch/logged-client.ts";
import { RiffleError } from "../../src/errors.ts";

test("every exchange is told, without query and headers", async () => {
  const said: string[] = [];
  let now = 0;
  const answers = [206, new RiffleError("unreachable", "nobody listens")];
  const client: HttpClient = {
    send: () => {
      now += 5;
      const answer = answers.shift();
      if (answer instanceof Error) return Promise.reject(answer);
      const body = (async function* () {})();
      return Promise.resolve({ status: Number(answer), headers: {}, body, discard: () => undefined });
    },
    close: () => Promise.resolve(),
  };
  const logged = loggedClient(
    client,
    (level, message) => void said.push(`${level} ${message}`),
    () => now,
  );
  const url = new URL("https://u:p@host:5000/v2/a/blobs/x?token=secret");
  const headers = { range: "bytes=0-9", authorization: "Bearer secret" };
  expect((await logged.send(url, { kind: "blob", headers })).status).toBe(206);
  await expect(logged.send(url, { kind: "blob" })).rejects.toThrow("nobody listens");
  expect(said).toEqual([
    "debug GET https://host:5000/v2/a/blobs/x bytes=0-9: 206 after 5 ms",
    "debug GET https://host:5000/v2/a/blobs/x: nobody listens after 5 ms",
  ]);
});
