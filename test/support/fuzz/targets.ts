import { CACHE_TARGETS } from "./cache-targets.ts";
import { DOCUMENT_TARGETS } from "./document-targets.ts";
import { FORMAT_TARGETS } from "./format-targets.ts";
import { MOUNT_TARGETS } from "./mount-targets.ts";
import { REGISTRY_TARGETS } from "./registry-targets.ts";
import type { FuzzTarget } from "./target.ts";
import { WORD_TARGETS } from "./word-targets.ts";

/** Every parser of bytes that come from outside. */
export const TARGETS: readonly FuzzTarget[] = [
  ...DOCUMENT_TARGETS,
  ...REGISTRY_TARGETS,
  ...MOUNT_TARGETS,
  ...CACHE_TARGETS,
  ...WORD_TARGETS,
  ...FORMAT_TARGETS,
];
