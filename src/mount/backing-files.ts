import type { Native } from "./native.ts";

/** _IOW(229, 1, struct fuse_backing_map) and _IOW(229, 2, uint32_t) of linux/fuse.h. */
const BACKING_OPEN = 0x4010e501;
const BACKING_CLOSE = 0x4004e502;

/** Files that the kernel reads in our place, by the ids it gives them (Linux 6.9; needs CAP_SYS_ADMIN). */
export interface BackingFiles {
  /** Registers an open file; undefined when the kernel does not take it (no right, or it lies on a stacked file system). */
  open(fd: number): number | undefined;
  close(id: number): void;
}

export function backingFiles(device: number, native: Native): BackingFiles {
  return {
    open(fd) {
      // struct fuse_backing_map: fd 0, flags 4, padding 8.
      const map = Buffer.alloc(16);
      map.writeInt32LE(fd, 0);
      const id = native.ioctl(device, BACKING_OPEN, map);
      return id > 0 ? id : undefined;
    },
    close(id) {
      const argument = Buffer.alloc(4);
      argument.writeUInt32LE(id, 0);
      native.ioctl(device, BACKING_CLOSE, argument);
    },
  };
}
