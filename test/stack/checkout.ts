/** A fresh copy of this checkout with a state of its own, and the project's commands in it, as a user runs them. */
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";

const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** How a command ended. */
export interface Ended {
    readonly code: number;
    /** Standard output and error as they came. */
    readonly output: string;
}

/** The copy and its state; `remove` takes both away. */
export class Checkout {
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
        const child = spawn("npm", ["run", "--silent", script, "--", ...args], {
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

    /** Runs Pulumi's CLI on a stack; it must succeed. */
    async pulumi(stack: string, ...args: string[]): Promise<string> {
        return this.ok("pulumi", [...args, "--stack", stack]);
    }

    /** The stack's outputs, secrets in plain text. */
    async outputs(stack: string): Promise<Record<string, unknown>> {
        const child = this.spawn("pulumi", ["stack", "output", "--json", "--show-secrets", "--stack", stack]);
        let text = "";
        child.stdout?.on("data", (data: Buffer) => {
            text += data.toString();
        });
        await ending(child);
        return JSON.parse(text) as Record<string, unknown>;
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
