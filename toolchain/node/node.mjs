// Node.js for every command: the one that is first on PATH where it fits, else a pinned one from npm, kept in the cache. Plain
// JavaScript that Node.js 18 runs: Debian 12 and 13 have 18 and 20.
//
//     node toolchain/node/node.mjs                  prints PATH with a fitting Node.js first
//     node toolchain/node/node.mjs COMMAND ARG …    runs the command with that PATH
import { Buffer } from "node:buffer";
import { spawn, spawnSync } from "node:child_process";
import {
    accessSync,
    closeSync,
    constants,
    existsSync,
    mkdirSync,
    openSync,
    readFileSync,
    readSync,
    realpathSync,
    renameSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheDirectory } from "./cache.mjs";
import { advice, fits } from "./version.mjs";

/** What can be fetched: node_modules/<package> in the lock file → version and integrity. */
const lock = JSON.parse(
    readFileSync(join(dirname(fileURLToPath(import.meta.url)), "package-lock.json"), "utf8"),
).packages;

/** The first program of that name on a PATH; undefined where there is none. */
function onPath(name, path) {
    for (const directory of (path ?? "").split(delimiter).filter((each) => each !== "")) {
        const file = join(directory, name);
        try {
            accessSync(file, constants.X_OK);
            return realpathSync(file);
        } catch {
            // The next one.
        }
    }
    return undefined;
}

/** What a Node.js says of itself; undefined where it does not run. */
function versionOf(file) {
    const { status, stdout } = spawnSync(file, ["--version"], { encoding: "utf8" });
    return status === 0 ? stdout.trim().replace(/^v/, "") : undefined;
}

/** How npm is run by this very process: its own file where that is JavaScript, since a host's `npm` may name a Node.js in it. */
function npmCommand(env) {
    const file = env.npm_execpath ?? onPath("npm", env.PATH);
    return file !== undefined && existsSync(file) && isNodeScript(realpathSync(file))
        ? [process.execPath, realpathSync(file)]
        : ["npm"];
}

/** Whether a file starts as npm's own does, and not as the wrapper of a version manager. */
function isNodeScript(file) {
    const start = Buffer.alloc(64);
    const descriptor = openSync(file, "r");
    readSync(descriptor, start, 0, start.length, 0);
    closeSync(descriptor);
    return /^#!.*\bnode\b/.test(start.toString());
}

/** Runs npm with arguments, its standard output left out; returns its exit code. */
export function npm(args, options) {
    const [program, ...first] = npmCommand(options.env);
    const { status } = spawnSync(program, [...first, ...args], {
        stdio: ["ignore", "ignore", "inherit"],
        shell: process.platform === "win32",
        ...options,
    });
    return status;
}

/** The directory of the pinned Node.js, which is fetched if it is not in the cache. Throws an error in words where it cannot be had. */
function pinned(env) {
    const suffix = `-${process.platform}-${process.arch}`;
    const [place, entry] = Object.entries(lock).find(([path]) => path.endsWith(suffix)) ?? [];
    if (place === undefined) {
        throw new Error(`npm has no Node.js for ${process.platform} on ${process.arch}.`);
    }
    const name = place.replace("node_modules/", "");
    const directory = join(cacheDirectory(env), "node", `${name}-${entry.version}`);
    if (!existsSync(join(directory, "node"))) {
        fetchNode(name, entry, directory, env);
    }
    return directory;
}

/** Lets npm fetch and check the package beside its place, and renames the program into it. */
function fetchNode(name, { version, integrity }, directory, env) {
    console.error(
        `Node.js ${process.versions.node} is too old: fetching ${version} from npm, once (about 50 MB, to ${directory}) …`,
    );
    const partial = `${directory}.partial-${process.pid}`;
    try {
        mkdirSync(partial, { recursive: true });
        const dependencies = { [name]: version };
        const packages = { "": { dependencies }, [`node_modules/${name}`]: { version, integrity } };
        writeFileSync(join(partial, "package.json"), JSON.stringify({ private: true, dependencies }));
        writeFileSync(join(partial, "package-lock.json"), JSON.stringify({ lockfileVersion: 3, packages }));
        const status = npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: partial, env });
        const node = join(partial, "node_modules", name, "bin", "node");
        if (status !== 0 || versionOf(node) !== version) {
            throw new Error(
                status === 0
                    ? `npm's Node.js ${version} does not run on this system.`
                    : `npm could not fetch Node.js ${version}; its messages are above.`,
            );
        }
        mkdirSync(directory, { recursive: true });
        renameSync(node, join(directory, "node"));
    } finally {
        rmSync(partial, { recursive: true, force: true });
    }
}

/** The variables with a fitting Node.js first on PATH: Pulumi's language host, npm and every script start `node` from there. */
export function withNode(env) {
    const first = onPath("node", env.PATH);
    const own = realpathSync(process.execPath);
    const version = first === undefined ? undefined : first === own ? process.versions.node : versionOf(first);
    if (version !== undefined && fits(version)) {
        return env;
    }
    const directory = fits(process.versions.node) ? dirname(own) : pinned(env);
    return { ...env, PATH: [directory, env.PATH ?? ""].join(delimiter) };
}

/** The same; where it cannot be had, says so and ends the process. */
export function withNodeOrEnd(env) {
    try {
        return withNode(env);
    } catch (error) {
        console.error(`Node.js ${process.versions.node} is too old. ${error.message}\n  ${advice}`);
        process.exit(1);
    }
}

/** Runs a program in this one's place: its streams, signals and exit code are this process's. */
export function become(program, args, env) {
    const child = spawn(program, args, { stdio: "inherit", env, shell: process.platform === "win32" });
    // The child ends what it runs in order; it has the terminal's signal already, so this one only waits. A signal that was
    // sent to this process alone is handed on.
    process.on("SIGINT", () => {});
    process.on("SIGTERM", () => child.kill("SIGTERM"));
    child.on("error", (error) => {
        console.error(`${program}: ${error.message}`);
        process.exit(127);
    });
    child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
    const env = withNodeOrEnd(process.env);
    const [program, ...args] = process.argv.slice(2);
    if (program === undefined) {
        console.log(env.PATH);
    } else {
        become(program, args, env);
    }
}
