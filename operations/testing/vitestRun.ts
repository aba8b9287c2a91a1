/** One run of vitest, with a directory of its own, and its end before its time. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { endByInterrupt } from "../interruption.ts";
import { runVariable } from "./runVariable.ts";
import { beginRun, removeRun } from "./runs.ts";

/** How a run of vitest ended. */
export interface Ended {
    readonly code: number;
    /** What ended it before its own end. */
    readonly cut?: "interrupted" | "out of time";
}

/**
 * Runs files in one process of vitest, in a process group of its own: Ctrl-C does not reach what the tests run, so that all of it
 * is ended and taken down from here, in order. After so many minutes, if they are given, likewise.
 */
export async function runFiles(
    files: readonly string[],
    env: NodeJS.ProcessEnv,
    project: string,
    minutes?: number,
): Promise<Ended> {
    const run = beginRun(env.DOCKER_HOST);
    const child = spawn(process.execPath, [join(project, "node_modules/vitest/vitest.mjs"), "run", ...files], {
        cwd: project,
        stdio: ["ignore", "inherit", "inherit"],
        detached: true,
        env: { ...env, [runVariable]: run.directory, TMPDIR: run.directory },
    });
    const exit = once(child, "exit") as Promise<[number | null]>;
    let cut: Ended["cut"];
    const end = (why: NonNullable<Ended["cut"]>) => {
        if (cut !== undefined) {
            // The next run removes what is left.
            process.exit(130);
        }
        cut = why;
        console.error(`\nTests ${why}: taking down what they made (Ctrl-C leaves that to the next run) …`);
        child.kill("SIGKILL");
    };
    endByInterrupt(() => {
        end("interrupted");
    });
    const outOfTime = () => {
        end("out of time");
    };
    const timer = minutes === undefined ? undefined : setTimeout(outOfTime, minutes * 60_000);
    const [code] = await exit;
    clearTimeout(timer);
    await removeRun(run);
    return cut === undefined ? { code: code ?? 1 } : { code: cut === "interrupted" ? 130 : 1, cut };
}
