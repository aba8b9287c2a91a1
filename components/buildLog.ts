/** The file that a build's output goes to while it runs. */
import { mkdirSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { buildFiles } from "./buildSecrets.ts";

/** Bytes after which the file is begun anew: the provider appends, build after build. */
const longest = 2 ** 20;

/**
 * The file for an image, from the directory of the program: the same in every checkout, and so in the state. The provider fails
 * without its directory, so that is made.
 */
export function buildLog(name: string): string {
    const file = `${buildFiles}/${name}.log`;
    mkdirSync(dirname(file), { recursive: true });
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > longest) {
        rmSync(file, { force: true });
    }
    return file;
}
