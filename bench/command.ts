/** Commands that are measured, or stand around those. */
import { execa } from "execa";
import { ended, interrupted } from "../operations/interruption.ts";

/** Where a command runs. */
export interface CommandPlace {
    /** Working directory. */
    readonly cwd: string;
    /** All of its variables: none is added to them. */
    readonly env: NodeJS.ProcessEnv;
    /** Goes on when the run is asked to end: it clears up. */
    readonly clearsUp?: boolean;
}

/** Lines of a failed command's output that are kept. */
const keptLines = 12;

/**
 * How a command is ended after Ctrl-C. The terminal has sent it one signal; Pulumi would finish first what it is at, such as
 * building an image, and ends at the second one. All that is left is removed anyway.
 */
const urging = { isWanted: interrupted, milliseconds: 5000 };

/** Runs a command to its end; returns its standard output. Throws an Error with the last lines of what it printed. */
export async function run(
    program: string,
    args: readonly string[],
    { cwd, env, clearsUp = false }: CommandPlace,
    { isWanted, milliseconds } = urging,
): Promise<string> {
    const child = execa(program, args, {
        cwd,
        env,
        extendEnv: false,
        stdin: "ignore",
        all: true,
        reject: false,
        ...(clearsUp ? {} : { cancelSignal: ended }),
    });
    const timer = setInterval(() => {
        if (isWanted() && !clearsUp) {
            child.kill("SIGINT");
        }
    }, milliseconds);
    const result = await child.finally(() => {
        clearInterval(timer);
    });
    if (result.failed) {
        const words = [program.split("/").at(-1), ...args].join(" ");
        const how = result.exitCode === undefined ? (result.signal ?? result.code) : `exit code ${result.exitCode}`;
        const last = result.all.trim().split("\n").slice(-keptLines).join("\n");
        throw new Error(`${words}: ${how ?? "failed"}\n${last}`);
    }
    return result.stdout;
}
