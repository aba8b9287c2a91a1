// What `npm start` and its siblings run first. Plain JavaScript without dependencies, because in a fresh clone nothing is
// installed yet: it installs the npm dependencies if the lock file says so, then runs the TypeScript.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installed } from "./installed.mjs";

const project = dirname(dirname(fileURLToPath(import.meta.url)));

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
    console.error(
        `Node.js ${process.versions.node} is too old.\n  Install Node.js 20.19 or later (22 is recommended).`,
    );
    process.exit(1);
}

// The doctor looks and changes nothing, as long as what it is made of is there.
const looksOnly = process.argv[2] === "doctor" && existsSync(join(project, "node_modules", "tsx"));
if (!looksOnly && !installed(project)) {
    console.error("Installing npm dependencies (about a minute) …");
    const { status } = spawnSync("npm", ["ci", "--include=dev", "--no-audit", "--no-fund"], {
        cwd: project,
        stdio: ["ignore", "ignore", "inherit"],
        shell: process.platform === "win32",
    });
    if (status !== 0) {
        console.error("npm ci failed; its messages are above.");
        process.exit(1);
    }
}

// Node.js has authorities of its own; a company's are in the bundle that other programs are told of.
const authorities = process.env.NODE_EXTRA_CA_CERTS ?? process.env.SSL_CERT_FILE;
const child = spawn(
    process.execPath,
    ["--import", "tsx", join(project, "operations", "cli.ts"), ...process.argv.slice(2)],
    {
        cwd: project,
        stdio: "inherit",
        env: { ...process.env, ...(authorities === undefined ? {} : { NODE_EXTRA_CA_CERTS: authorities }) },
    },
);
// The child ends what it runs in order; it has the terminal's signal already, so this one only waits. A signal that was
// sent to this process alone is handed on.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
