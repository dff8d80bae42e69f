import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of its own below the system's temporary one; removed by the last of `cleanups`. */
export function temporaryFolder(cleanups: (() => Promise<void> | void)[]): string {
  const folder = mkdtempSync(join(tmpdir(), "riffle-test-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface TestCertificate {
  /** PEM of the authority that signed it, and the file it is in. */
  readonly ca: string;
  readonly caFile: string;
  readonly key: string;
  readonly cert: string;
}

export const HAS_OPENSSL: boolean = (() => {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

function openssl(...args: readonly string[]): void {
  execFileSync("openssl", args, { stdio: "ignore" });
}

/** An authority of a day and a server certificate for localhost, 127.0.0.1 and ::1, made by `openssl` in `folder`. */
export function makeCertificate(folder: string): TestCertificate {
  const at = (name: string): string => join(folder, name);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.pem"),
    "-days",
    "1",
    "-subj",
    "/CN=riffle test",
  );
  openssl("req", ...key, "-keyout", at("server.key"), "-out", at("server.csr"), "-subj", "/CN=localhost");
  writeFileSync(at("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n");
  const issuer = [
    "-CA",
    at("ca.pem"),
    "-CAkey",
    at("ca.key"),
    "-CAcreateserial",
    "-days",
    "1",
    "-extfile",
    at("names"),
  ];
  openssl("x509", "-req", "-in", at("server.csr"), "-out", at("server.pem"), ...issuer);
  const read = (name: string): string => readFileSync(at(name), "utf8");
  return { ca: read("ca.pem"), caFile: at("ca.pem"), key: read("server.key"), cert: read("server.pem") };
}
