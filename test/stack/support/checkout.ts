/** A fresh copy of this checkout with a state of its own, and the project's commands in it, as a user runs them. */
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import type { Deployment } from "@pulumi/pulumi/automation/index.js";
import { keys } from "../../../config.ts";
import { placesOf } from "../../../operations/places.ts";
import { cliRoot, pulumiVariables } from "../../../operations/workspace.ts";

const project = join(import.meta.dirname, "../../..");

/** How a command ended. */
export interface Ended {
    readonly code: number;
    /** Standard output and error as they came. */
    readonly output: string;
}

/** The copy and its state; `remove` takes both away. */
export class Checkout {
    /** Program and arguments that run every command, for an engine that is elsewhere. */
    public inside: readonly string[] = [];

    private constructor(
        /** The copy's directory. */
        public readonly directory: string,
        /** XDG_STATE_HOME of every command. */
        public readonly stateHome: string,
    ) {}

    /** Copies what Git would have: tracked files, and new ones that are not ignored. */
    static async make(stateHome?: string): Promise<Checkout> {
        const root = mkdtempSync(join(tmpdir(), "mlflow-platform-"));
        const directory = join(root, "checkout");
        const { stdout } = await execa("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
            cwd: project,
        });
        const { stdout: deleted } = await execa("git", ["ls-files", "--deleted", "-z"], { cwd: project });
        const gone = new Set(deleted.split("\0"));
        for (const file of stdout.split("\0").filter((name) => name !== "" && !gone.has(name))) {
            mkdirSync(dirname(join(directory, file)), { recursive: true });
            copyFileSync(join(project, file), join(directory, file));
            if (/^Pulumi\..+\.yaml$/.test(file)) {
                // A stack that runs from this checkout has left its salt there; a fresh clone has none.
                const content = readFileSync(join(directory, file), "utf8").replace(/^encryptionsalt:.*\n?/m, "");
                writeFileSync(join(directory, file), content);
            }
        }
        symlinkSync(join(project, "node_modules"), join(directory, "node_modules"));
        return new Checkout(directory, stateHome ?? join(root, "state"));
    }

    /** The same state, as another clone of the same user has it. */
    static at(directory: string, stateHome: string): Checkout {
        return new Checkout(directory, stateHome);
    }

    /** Environment of every command. */
    get env(): NodeJS.ProcessEnv {
        return { ...process.env, XDG_STATE_HOME: this.stateHome, NODE_ENV: undefined, VITEST: undefined };
    }

    /** Starts `npm run <script> -- <args>` in a process group of its own; `input` is its standard input. */
    spawn(script: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}, input = ""): ChildProcess {
        const [program = "", ...rest] = [...this.inside, "npm", "run", "--silent", script, "--", ...args];
        const child = spawn(program, rest, {
            cwd: this.directory,
            env: { ...this.env, ...env },
            detached: true,
            stdio: "pipe",
        });
        child.stdin.end(input);
        return child;
    }

    /** Runs `npm run <script> -- <args>` and waits for it. */
    async run(script: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
        return ending(this.spawn(script, args, env));
    }

    /** Runs a command that must succeed; returns its output, and shows it on the way if asked to. */
    async ok(script: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}, show = false): Promise<string> {
        const child = this.spawn(script, args, env);
        if (show) {
            child.stdout?.pipe(process.stderr, { end: false });
        }
        const { code, output } = await ending(child);
        if (code !== 0) {
            throw new Error(`npm run ${script} -- ${args.join(" ")} ended with ${code}:\n${output}`);
        }
        return output;
    }

    /** Runs a command that must succeed; returns its standard output alone. */
    async printed(script: string, ...args: string[]): Promise<string> {
        const { stdout } = await execa("npm", ["run", "--silent", script, "--", ...args], {
            cwd: this.directory,
            env: this.env,
            extendEnv: false,
        });
        return stdout;
    }

    /** Runs Pulumi's CLI on a stack, with the variables of `npm run pulumi -- --env`; `input` is its standard input. */
    async cli(stack: string, args: readonly string[], input = ""): Promise<Ended> {
        const { exitCode, all } = await this.execute(stack, args, input);
        return { code: exitCode ?? 128, output: all };
    }

    /** The same for a command that must succeed; returns its output. */
    async pulumi(stack: string, ...args: string[]): Promise<string> {
        const { code, output } = await this.cli(stack, args);
        if (code !== 0) {
            throw new Error(`pulumi ${args.join(" ")} ended with ${code}:\n${output}`);
        }
        return output;
    }

    /** Sets several keys at once; those that are secret as secrets. */
    async set(stack: string, values: Readonly<Record<string, string>>, options: readonly string[] = []): Promise<void> {
        const keysOf = keys as Readonly<Record<string, { readonly secret?: boolean } | undefined>>;
        const args = Object.entries(values).flatMap(([key, value]) => [
            keysOf[key]?.secret ? "--secret" : "--plaintext",
            `${key}=${value}`,
        ]);
        await this.pulumi(stack, "config", "set-all", ...options, ...args);
    }

    /** Sets keys while `act` runs; then the stack's file is as it was. */
    async configured<T>(stack: string, values: Readonly<Record<string, string>>, act: () => Promise<T>): Promise<T> {
        const file = join(this.directory, `Pulumi.${stack}.yaml`);
        const before = readFileSync(file, "utf8");
        try {
            await this.set(stack, values);
            return await act();
        } finally {
            writeFileSync(file, before);
        }
    }

    /** The stack's exported state; without the flag secrets are ciphertext, another one each time. */
    async state(stack: string, showSecrets = false): Promise<Deployment> {
        const { stdout } = await this.execute(
            stack,
            ["stack", "export", ...(showSecrets ? ["--show-secrets"] : [])],
            "",
        );
        return JSON.parse(stdout) as Deployment;
    }

    /**
     * What an update with these keys would do: resource ("Container mlflow") → create, update, replace or delete. It has a
     * configuration file of its own, so several can be planned at a time.
     */
    async plan(stack: string, values: Readonly<Record<string, string>>): Promise<Record<string, string>> {
        const file = join(dirname(this.directory), `Pulumi.${randomBytes(6).toString("hex")}.yaml`);
        copyFileSync(join(this.directory, `Pulumi.${stack}.yaml`), file);
        try {
            await this.set(stack, values, ["--config-file", file]);
            const args = ["preview", "--json", "--config-file", file];
            const { exitCode, stdout, all } = await this.execute(stack, args, "");
            if (exitCode !== 0) {
                throw new Error(`pulumi preview ended with ${exitCode ?? 128}:\n${all}`);
            }
            const { steps } = JSON.parse(stdout) as { steps: { op: string; urn: string }[] };
            return Object.fromEntries(
                steps
                    .filter(({ op }) => ["create", "update", "replace", "delete"].includes(op))
                    .filter(({ urn }) => !urn.includes("pulumi:pulumi:Stack::"))
                    .map(({ op, urn }) => {
                        const [, , type = "", name = ""] = urn.split("::");
                        return [`${type.slice(type.lastIndexOf(":") + 1)} ${name}`, op];
                    }),
            );
        } finally {
            rmSync(file);
        }
    }

    private execute(stack: string, args: readonly string[], input: string) {
        const places = placesOf(this.env);
        const { DOCKER_HOST, MLFLOW_PLATFORM_BASE_IMAGE } = process.env;
        const variables = pulumiVariables(places, this.env, {
            dockerHost: DOCKER_HOST,
            baseImage: MLFLOW_PLATFORM_BASE_IMAGE,
        });
        const [program = "", ...rest] = [...this.inside, join(cliRoot(places), "bin", "pulumi"), ...args];
        return execa(program, [...rest, "--stack", stack], {
            cwd: this.directory,
            env: { ...this.env, ...variables },
            extendEnv: false,
            all: true,
            reject: false,
            input,
        });
    }

    /** The stack's outputs, secrets in plain text. */
    async outputs(stack: string): Promise<Record<string, unknown>> {
        const { stdout } = await this.execute(stack, ["stack", "output", "--json", "--show-secrets"], "");
        return JSON.parse(stdout) as Record<string, unknown>;
    }

    /** Contents of a file in the copy. */
    read(file: string): string {
        return readFileSync(join(this.directory, file), "utf8");
    }

    /** Removes the copy, and its state if that is its own. */
    remove(): void {
        rmSync(dirname(this.directory), { recursive: true, force: true });
    }
}

/** Waits for a command that was started. */
export async function ending(child: ChildProcess): Promise<Ended> {
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
        stream?.on("data", (data: Buffer) => {
            output += data.toString();
        });
    }
    return new Promise((resolve, reject) => {
        child.once("error", reject);
        child.once("close", (code) => {
            resolve({ code: code ?? 128, output });
        });
    });
}
