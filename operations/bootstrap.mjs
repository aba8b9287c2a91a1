// What `npm start` and its siblings run first. Plain JavaScript without dependencies, because in a fresh clone nothing is
// installed yet: it goes on with a Node.js that fits, installs the npm dependencies if the lock file says so, then runs the
// TypeScript.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { become, npm, withNodeOrEnd } from "../toolchain/node/node.mjs";
import { installed } from "./installed.mjs";

const project = dirname(dirname(fileURLToPath(import.meta.url)));
const env = withNodeOrEnd(process.env);
// Node.js has authorities of its own; a company's are in the bundle that other programs are told of.
const authorities = process.env.NODE_EXTRA_CA_CERTS ?? process.env.SSL_CERT_FILE;

if (env !== process.env || authorities !== process.env.NODE_EXTRA_CA_CERTS) {
    const variables = authorities === undefined ? {} : { NODE_EXTRA_CA_CERTS: authorities };
    become("node", [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { ...env, ...variables });
} else {
    // The doctor looks and changes nothing, as long as what it is made of is there.
    const looksOnly = process.argv[2] === "doctor" && existsSync(join(project, "node_modules", "commander"));
    if (!looksOnly && !installed(project)) {
        console.error("Installing npm dependencies (about a minute) …");
        if (npm(["ci", "--include=dev", "--no-audit", "--no-fund"], { cwd: project, env }) !== 0) {
            console.error("npm ci failed; its messages are above.");
            process.exit(1);
        }
    }
    process.chdir(project);
    await import("../toolchain/node/preload.mjs");
    await import("./cli.ts");
}
