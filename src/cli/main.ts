#!/usr/bin/env node
import { main } from "./invoke.ts";

// Nothing is left to wait for: all output is written, and what still holds the loop open (idle sockets) may go.
process.exit(await main());
