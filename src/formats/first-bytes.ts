/**
 * What readers begin with, detection before them, and a mount ahead of both: the three agree, so that one request serves all. The
 * headers of some hundred tensors, or the first directories of a COG, fit in the one; most footers in the other.
 */
export const HEAD_BYTES: number = 32 * 1024;
export const TAIL_BYTES: number = 64 * 1024;
