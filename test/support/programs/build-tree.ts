/** Writes a tree table of its parent's wish: `node build-tree.js FILE DIRECTORIES FILES`, all files of a directory in one go. */
import type { TreeBuilder as Builder } from "../../../src/layers/tree-builder.ts";
import type { openTree as OpenTree } from "../../../src/layers/tree-table.ts";
import type { writeTreeFile as WriteTreeFile } from "../../../src/layers/tree-file.ts";
import { compiled } from "./compiled.ts";

const { TreeBuilder } = (await compiled("layers/tree-builder")) as { TreeBuilder: typeof Builder };
const { openTree } = (await compiled("layers/tree-table")) as { openTree: typeof OpenTree };
const { writeTreeFile } = (await compiled("layers/tree-file")) as { writeTreeFile: typeof WriteTreeFile };

const [file = "", directories = "1", files = "1"] = process.argv.slice(2);
const each = Number(files) / Number(directories);
const builder = new TreeBuilder({ mtime: 1_700_000_000 });
for (let directory = 0; directory < Number(directories); directory += 1)
  for (let at = 0; at < each; at += 1)
    builder.add({
      path: `dir-${String(directory).padStart(4, "0")}/file-${String(at).padStart(6, "0")}.npy`,
      kind: "file",
      size: at,
      source: 0,
    });
writeTreeFile(file, openTree(builder.build({ sources: [[]] })));
