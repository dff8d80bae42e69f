import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** INTERFACE section 5. */
export interface Places {
  readonly home: string;
  readonly configFile: string;
  readonly cacheDir: string;
  /** Logs and state. */
  readonly stateDir: string;
  /** State of running mounts and sockets. */
  readonly runtimeDir: string;
}

/** XDG Base Directory specification: a path that is not absolute is to be ignored. */
function folder(environment: Environment, name: string): string | undefined {
  const value = environment[name];
  return value !== undefined && isAbsolute(value) ? value : undefined;
}

export function placesOf(environment: Environment): Places {
  const home = folder(environment, "HOME") ?? homedir();
  const stateDir = join(folder(environment, "XDG_STATE_HOME") ?? join(home, ".local/state"), "riffle");
  const runtime = folder(environment, "XDG_RUNTIME_DIR");
  return {
    home,
    configFile: join(folder(environment, "XDG_CONFIG_HOME") ?? join(home, ".config"), "riffle/config.json"),
    cacheDir: join(folder(environment, "XDG_CACHE_HOME") ?? join(home, ".cache"), "riffle"),
    stateDir,
    runtimeDir: runtime === undefined ? join(stateDir, "run") : join(runtime, "riffle"),
  };
}
