/** How long steps are shown: a live list in a terminal, plain lines elsewhere. */
import { Listr, type ListrTask, PRESET_TIMER } from "listr2";

/** Shows one line of what is going on, and how long or how far so far. */
export type Say = (line: string) => void;

/** For commands whose standard output is data. */
export const sayOnError: Say = (line) => {
    console.error(line);
};

/** Seconds between lines about what takes long: a terminal shows one line, which changes; elsewhere each is a line of its own. */
export function period(): number {
    return process.stdout.isTTY ? 1 : 15;
}

/**
 * Runs `act`. Where that takes longer than a second it says on standard error what is going on, and how long so far: standard output is
 * the command's own.
 */
export async function announced<T>(what: string, act: () => Promise<T>): Promise<T> {
    const since = Date.now();
    const first = setTimeout(() => {
        console.error(`${what} …`);
    }, 1000);
    const next = setInterval(() => {
        console.error(`${what}, ${Math.round((Date.now() - since) / 1000)} s so far`);
    }, 15_000);
    try {
        return await act();
    } finally {
        clearTimeout(first);
        clearInterval(next);
    }
}

/** A step with a title; `say` shows its progress under it. */
export interface Step {
    readonly title: string;
    readonly run: (say: Say) => Promise<string | undefined>;
}

/**
 * Runs the steps one after another. The string that a step returns is shown beside its title. Throws what a failing step
 * threw. `plain` shows lines in a terminal, too: beside a live list nothing else can be printed.
 */
export async function runSteps(steps: readonly Step[], plain = false): Promise<void> {
    let failure: unknown;
    const tasks = steps.map(({ title, run }): ListrTask => ({
        title,
        task: async (_context, task) => {
            try {
                const result = await run((line) => {
                    task.output = line;
                });
                if (result !== undefined) {
                    task.title = `${title}: ${result}`;
                }
            } catch (error) {
                failure = error;
                // The list shows one line; the caller shows the whole error after it.
                throw new Error("see below", { cause: error });
            }
        },
    }));
    try {
        await new Listr(tasks, {
            concurrent: false,
            renderer: process.stdout.isTTY && !plain ? "default" : "simple",
            rendererOptions: { timer: PRESET_TIMER },
            fallbackRendererOptions: { timer: PRESET_TIMER },
            // Ctrl-C reaches the commands that run; each ends in order and its error ends the list.
            registerSignalListeners: false,
        }).run();
    } catch (error) {
        throw failure ?? error;
    }
}
