import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // RIFFLE_SEED, RIFFLE_PATH and RIFFLE_RUNS: a failed property test can be run again.
    setupFiles: ["test/support/seed-setup.ts"],
    // Mounts, daemons and registries are real processes: give a slow machine room; a hang still ends.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    pool: "forks",
  },
});
