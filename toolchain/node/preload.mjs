// What Node.js loads before the program, the policy pack and the commands: an old Node.js is refused in words, since it would die of
// an unknown file extension before they could speak; and V8 keeps what it compiles, which halves the time that loading takes.
import * as module from "node:module";
import { join } from "node:path";
import { cacheDirectory } from "./cache.mjs";
import { advice, fits } from "./version.mjs";

if (!fits(process.versions.node)) {
    console.error(`Node.js ${process.versions.node} is too old for this program (${process.execPath}).\n  ${advice}`);
    process.exit(1);
}
// A directory of one's own (NODE_COMPILE_CACHE) goes before. One that cannot be written is no error: then nothing is kept.
module.enableCompileCache(join(cacheDirectory(process.env), "compile-cache"));
