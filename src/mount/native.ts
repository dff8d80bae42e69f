import { RiffleError } from "../errors.ts";

/** The few calls of the C library that Node does not offer. Descriptors are plain numbers; whoever gets one closes it. */
export interface Native {
  /** The call's result, or a negative errno. */
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  /** Waits until one of these can be read or is broken, or the time is over; the ones that are. */
  poll(descriptors: readonly number[], timeoutMs: number): ReadonlySet<number>;
  /** Reads of this descriptor no longer wait. */
  unblock(fd: number): void;
  /** Two connected Unix stream sockets, closed on exec. */
  socketPair(): readonly [number, number];
  /** The descriptor that waits in a socket (SCM_RIGHTS), closed on exec; undefined when there is none. */
  receiveDescriptor(socket: number): number | undefined;
}

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 0x80001;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT_CMSG_CLOEXEC = 0x4000_0040;
/** struct cmsghdr and one int, on 64-bit machines. */
const CONTROL_BYTES = 24;
/** ioctl(2): a pointer to an int that is not 0. */
const FIONBIO = 0x5421;
const POLLIN = 1;
/** struct pollfd: descriptor 0, events 4, what happened 6. */
const POLLFD_BYTES = 8;
/** struct msghdr on 64-bit machines: name 0, iov 16, iovlen 24, control 32, controllen 40, flags 48. */
const MSGHDR_BYTES = 56;

/** Loads koffi on first use. Rejects with `machine` where it is missing or does not run. */
export async function loadNative(): Promise<Native> {
  try {
    return await bind();
  } catch (error) {
    throw new RiffleError("machine", "the package koffi does not load here", {
      hint: "reinstall with optional and native packages, mount as root, or use --backend libfuse",
      cause: error,
    });
  }
}

async function bind(): Promise<Native> {
  const koffi = await import("koffi");
  // The process itself: its C library is there under every name, glibc or musl.
  const libc = koffi.load(null);
  const ioctl = libc.func("int ioctl(int fd, unsigned long request, void *argument)");
  const socketpair = libc.func("int socketpair(int domain, int type, int protocol, void *sockets)");
  const recvmsg = libc.func("long recvmsg(int fd, void *message, int flags)");
  const poll = libc.func("int poll(void *descriptors, unsigned long count, int timeout)");
  return {
    poll(descriptors, timeoutMs) {
      const asked = Buffer.alloc(descriptors.length * POLLFD_BYTES);
      for (const [at, fd] of descriptors.entries()) {
        asked.writeInt32LE(fd, at * POLLFD_BYTES);
        asked.writeInt16LE(POLLIN, at * POLLFD_BYTES + 4);
      }
      // EINTR: nothing is ready, and whoever asks will ask again.
      if (Number(poll(asked, descriptors.length, timeoutMs)) < 0) return new Set();
      return new Set(descriptors.filter((_, at) => asked.readInt16LE(at * POLLFD_BYTES + 6) !== 0));
    },
    unblock(fd) {
      const on = Buffer.alloc(4);
      on.writeInt32LE(1);
      if (Number(ioctl(fd, FIONBIO, on)) !== 0) {
        throw new RiffleError("machine", `descriptor ${fd} cannot be made not to wait: errno ${koffi.errno()}`);
      }
    },
    ioctl(fd, request, argument) {
      const result = Number(ioctl(fd, request, argument));
      return result < 0 ? -koffi.errno() : result;
    },
    socketPair() {
      const pair = Buffer.alloc(8);
      if (Number(socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, pair)) !== 0) {
        throw new RiffleError("machine", `no socket pair: errno ${koffi.errno()}`);
      }
      return [pair.readInt32LE(0), pair.readInt32LE(4)];
    },
    receiveDescriptor(socket) {
      const [byte, control] = [Buffer.alloc(1), Buffer.alloc(CONTROL_BYTES)];
      const [iovec, message] = [Buffer.alloc(16), Buffer.alloc(MSGHDR_BYTES)];
      iovec.writeBigUInt64LE(koffi.address(byte), 0);
      iovec.writeBigUInt64LE(1n, 8);
      message.writeBigUInt64LE(koffi.address(iovec), 16);
      message.writeBigUInt64LE(1n, 24);
      message.writeBigUInt64LE(koffi.address(control), 32);
      message.writeBigUInt64LE(BigInt(CONTROL_BYTES), 40);
      if (Number(recvmsg(socket, message, MSG_DONTWAIT_CMSG_CLOEXEC)) < 0) return undefined;
      const held = message.readBigUInt64LE(40) >= 20n;
      const rights = control.readInt32LE(8) === SOL_SOCKET && control.readInt32LE(12) === SCM_RIGHTS;
      return held && rights ? control.readInt32LE(16) : undefined;
    },
  };
}
