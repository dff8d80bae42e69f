/**
 * What readers begin with, detection before them, and a mount ahead of both: the three agree, so that one request serves all. The
 * one holds the headers of some hundred tensors, or all directories of most COGs (26 KB for 10,980 pixels a side in blocks of 256);
 * the other most footers, and often the page index before them.
 */
export const HEAD_BYTES: number = 32 * 1024;
export const TAIL_BYTES: number = 64 * 1024;
