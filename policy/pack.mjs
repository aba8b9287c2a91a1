#!/usr/bin/env node
// Serves the policy pack. Pulumi starts this file itself where it is named as the pack; a host of packs loads it by index.cjs.
import "../toolchain/node/preload.mjs";

// The SDK takes the pack's version from the package.json of the working directory.
process.chdir(import.meta.dirname);
await import("./pack.ts");
