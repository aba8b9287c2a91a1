/** Other versions of Node.js than the one that runs the tests. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { cached } from "./python.ts";

/** The directory of a version's `node`, from npm's package for this machine. */
export async function nodeDirectory(version: string): Promise<string> {
    const name = `node-${process.platform}-${process.arch}`;
    const directory = await cached(`node-${version}`, async (place) => {
        mkdirSync(place, { recursive: true });
        writeFileSync(join(place, "package.json"), JSON.stringify({ private: true }));
        await execa("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", `${name}@${version}`], {
            cwd: place,
        });
    });
    return join(directory, "node_modules", name, "bin");
}
