/** Ctrl-C and a request to end: what runs is ended in order, not torn down. */

const controller = new AbortController();

/** Aborted when the process is asked to end by another one, which does not reach the commands it runs. */
export const ended: AbortSignal = controller.signal;

let asked = false;

/** Whether the user or another process wants this to end. */
export function interrupted(): boolean {
    return asked;
}

/** Throws if the process was asked to end; between two steps nothing is half done. */
export function stopIfInterrupted(): void {
    if (asked) {
        throw new Error("interrupted");
    }
}

let endOf: (() => void) | undefined;

/** From now on Ctrl-C is the regular end of what runs, without a word: it calls this. */
export function endByInterrupt(end: () => void): void {
    endOf = end;
}

/** Installs the handlers. A second Ctrl-C ends at once. */
export function watchForInterruption(): void {
    process.on("SIGINT", () => {
        if (endOf !== undefined) {
            endOf();
            return;
        }
        if (asked) {
            process.exit(130);
        }
        // The terminal sends the signal to the commands that run, too.
        asked = true;
        process.stderr.write("\nInterrupted: ending what runs in order (once more: at once) …\n");
    });
    process.on("SIGTERM", () => {
        asked = true;
        endOf?.();
        controller.abort();
    });
}
