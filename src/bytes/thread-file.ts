/**
 * The compiled file that a worker thread starts from. Node 20 cannot run TypeScript in a thread, so a module that itself
 * runs as TypeScript (tests) names its compiled twin below `dist/`.
 */
export function threadFile(name: string, importerUrl: string): URL {
  const sourceRoom = /\/src\/([^/]+)\/[^/]+\.ts$/.exec(importerUrl);
  if (sourceRoom === null) return new URL(`./${name}.js`, importerUrl);
  return new URL(`../../dist/${sourceRoom[1] ?? ""}/${name}.js`, importerUrl);
}
