/** A real MLflow client on this host: a virtual environment with `pip install mlflow` and nothing else. */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { placesOf } from "../../operations/places.ts";

/** Version of the client; the server's. */
export const mlflowVersion = "3.17.2";

/** The environment's Python; it is made once a machine, beside the other caches. */
export async function python(): Promise<string> {
    const directory = join(placesOf(process.env).cache, "test-client", mlflowVersion);
    const program = join(directory, "bin", "python");
    if (!existsSync(join(directory, "complete"))) {
        rmSync(directory, { recursive: true, force: true });
        mkdirSync(dirname(directory), { recursive: true });
        await freshEnvironment(directory);
        mkdirSync(join(directory, "complete.new"));
        renameSync(join(directory, "complete.new"), join(directory, "complete"));
    }
    return program;
}

/** Makes a virtual environment and installs MLflow into it, as the README tells a user. */
export async function freshEnvironment(directory: string): Promise<void> {
    await execa("python3", ["-m", "venv", directory]);
    await execa(join(directory, "bin", "python"), ["-m", "pip", "install", "--quiet", `mlflow==${mlflowVersion}`]);
}

/** Runs a script of this directory with arguments; returns what it printed as JSON. */
export async function runPython<T>(script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<T> {
    const path = join(dirname(fileURLToPath(import.meta.url)), script);
    const { stdout } = await execa(await python(), [path, ...args], {
        env: { ...env, GIT_PYTHON_REFRESH: "quiet", MLFLOW_DISABLE_TELEMETRY: "true" },
        // What must not reach the platform: a client on this host has none of it.
        extendEnv: true,
    });
    return JSON.parse(stdout.split("\n").at(-1) ?? "") as T;
}
