/** How long steps are shown: a live list in a terminal, plain lines elsewhere. */
import { Listr, type ListrTask, PRESET_TIMER } from "listr2";

/** Shows one line of what is going on, and how long or how far so far. */
export type Say = (line: string) => void;

/** A step with a title; `say` shows its progress under it. */
export interface Step {
    readonly title: string;
    readonly run: (say: Say) => Promise<string | undefined>;
}

/**
 * Runs the steps one after another. The string that a step returns is shown beside its title. Throws what a failing step
 * threw.
 */
export async function runSteps(steps: readonly Step[]): Promise<void> {
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
            renderer: process.stdout.isTTY ? "default" : "simple",
            rendererOptions: { timer: PRESET_TIMER },
            fallbackRendererOptions: { timer: PRESET_TIMER },
            // Ctrl-C reaches the commands that run; each ends in order and its error ends the list.
            registerSignalListeners: false,
        }).run();
    } catch (error) {
        throw failure ?? error;
    }
}
