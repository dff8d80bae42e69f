import { createRequire, register } from "node:module";
import { appendFileSync } from "node:fs";

/**
 * `node --import module-list.js PROGRAM` appends the address of every module that PROGRAM loads to the file that
 * RIFFLE_MODULE_LIST names, one a line. Wasm shows itself as a call of the compiler.
 */
const list = process.env["RIFFLE_MODULE_LIST"] ?? "/dev/null";
register("./module-list-hooks.js", { parentURL: import.meta.url, data: { list } });

const { cache } = createRequire(import.meta.url);
process.once("exit", () => {
  for (const path of Object.keys(cache)) appendFileSync(list, `${path}\n`);
});
// the compiler's types are not in `lib`; it is there in every Node
const wasm = Reflect.get(globalThis, "WebAssembly") as Record<string, (...args: readonly unknown[]) => unknown>;
for (const name of ["compile", "instantiate"]) {
  const original = wasm[name];
  wasm[name] = (...args) => {
    appendFileSync(list, `WebAssembly.${name}\n`);
    return original?.(...args);
  };
}
