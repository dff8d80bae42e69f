/** One line of `riffle doctor`. `warn`: works, with less; `fail`: does not work until the remedy is taken. */
export interface Check {
  readonly name: string;
  readonly status: "ok" | "warn" | "fail";
  readonly message: string;
  readonly remedy?: string;
}

export const ok = (name: string, message: string): Check => ({ name, status: "ok", message });

export const warn = (name: string, message: string, remedy: string): Check => ({
  name,
  status: "warn",
  message,
  remedy,
});

export const fail = (name: string, message: string, remedy: string): Check => ({
  name,
  status: "fail",
  message,
  remedy,
});
