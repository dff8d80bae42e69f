/**
 * Where things lie in the shared arena, in 32-bit words. Main writes it, `WarmReader` reads it in any thread.
 *
 * ```
 * header | one line for each reader | slot table | heap of bitmaps and directories
 * ```
 */
export const ARENA_MAGIC = 0x52464c31;
export const HEADER_WORDS = 16;
/** A cache line each, so that readers do not slow each other down. */
export const READER_WORDS = 16;
export const READERS = 64;
export const SLOT_WORDS = 32;
export const SLOTS_BASE: number = HEADER_WORDS + READERS * READER_WORDS;

/** A slot handle is `generation << SLOT_INDEX_BITS | index`: never given out twice while the arena lives. */
export const SLOT_INDEX_BITS = 15;
export const SLOTS: number = 1 << SLOT_INDEX_BITS;
export const GENERATIONS = 0xffff;

/** Words of a slot. */
export const SLOT_GENERATION = 0; // 0: free
export const SLOT_FD = 1; // of the one data file; -1: none
export const SLOT_PROOF = 2; // 0 transport, 1 chunk, 2 full
export const SLOT_KIND = 3;
export const SLOT_ROOT = 4; // word offset of the leaf or the directory; 0: nothing held
export const SLOT_LEAF_SHIFT = 5; // log2 of the pages of one leaf
export const SLOT_USED = 6; // set by readers: second chance when descriptors are given up
export const SLOT_SIZE = 8; // a double
export const SLOT_AVAILABLE = 10; // a double: for KIND_WHOLE, the bytes that are there
export const SLOT_MARKS = 16; // eight doubles, offset + 1; 0: none
export const MARKS = 8;

/** One leaf: the root is it. */
export const KIND_LEAF = 0;
/** One file, many leaves: the root is a list of leaf offsets. */
export const KIND_LEAVES = 1;
/** A file for each leaf: the root is a list of pairs, leaf offset and descriptor + 1 (0: none). */
export const KIND_SEGMENTS = 2;
/** Every byte below SLOT_AVAILABLE is held. */
export const KIND_WHOLE = 3;

/** 65,536 pages (256 MiB) are 8 KiB of bits. */
export const LEAF_SHIFT = 16;
