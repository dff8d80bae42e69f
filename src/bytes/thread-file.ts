/**
 * The compiled file that a worker thread starts from. Node 20 cannot run TypeScript in a thread, so a module that itself
 * runs as TypeScript (tests) names its compiled twin below `dist/`.
 */
export function threadFile(name: string, importerUrl: string): URL {
  const source = /^(.*)\/src\/(.+)\/[^/]+\.ts$/.exec(importerUrl);
  if (source === null) return new URL(`./${name}.js`, importerUrl);
  return new URL(`${source[1] ?? ""}/dist/${source[2] ?? ""}/${name}.js`);
}
