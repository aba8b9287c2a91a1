/** Contenders take turns, round by round, so that what else the machine does meets all of them alike. */
import { setTimeout as sleep } from "node:timers/promises";
import { stopIfInterrupted } from "../operations/interruption.ts";
import type { Say } from "../operations/progress.ts";

/** Something whose time is taken. */
export interface Measurement {
    /** What is measured, the same word for every contender: `cold start`, `update`. */
    readonly what: string;
    /** The command as a user types it. */
    readonly command: string;
    readonly run: () => Promise<unknown>;
    /** Whether it is one of what has come to rest. */
    readonly settled?: boolean;
}

/** One of those that are compared. Each has the machine to itself. */
export interface Contender {
    readonly name: string;
    /** Makes what has to be there first; untimed. */
    readonly prepare: () => Promise<unknown>;
    /** In this order; after one that fails there are no others. */
    readonly measurements: readonly Measurement[];
    /** Removes everything that there may be of it, also after a failure. */
    readonly remove: () => Promise<unknown>;
}

/** What one round gives: seconds, or why there are none. */
export type Figure = { readonly seconds: number } | { readonly error: string };

/** A figure of one round, and whose it is. */
export interface Reading {
    readonly contender: string;
    readonly what: string;
    readonly command: string;
    readonly figure: Figure;
}

/** What comes between two measurements. */
export interface Pauses {
    /** Waits until what was started before has come to rest. */
    readonly rest: () => Promise<void>;
    /** Throws where the run is to end. */
    readonly stop: () => void;
}

/** Seconds that server processes get that are still starting when their service is healthy already. */
const settlingSeconds = 15;

async function settle(): Promise<void> {
    for (let second = 0; second < settlingSeconds; second += 1) {
        stopIfInterrupted();
        await sleep(1000);
    }
}

/** The contenders in the order of a round: another one is first each time. */
export function inTurn<T>(contenders: readonly T[], round: number): T[] {
    const first = round % Math.max(1, contenders.length);
    return [...contenders.slice(first), ...contenders.slice(0, first)];
}

/** Takes one contender's times. What is still missing after a failure says why. */
async function takeTimes({ name, prepare, measurements }: Contender, say: Say, { rest, stop }: Pauses) {
    const figures: Figure[] = [];
    try {
        say(`${name}: preparing`);
        await prepare();
        for (const { command, run, settled } of measurements) {
            if (settled) {
                say(`${name}: waiting until its processes have come to rest`);
                await rest();
            }
            stop();
            say(`${name}: ${command}`);
            const start = performance.now();
            await run();
            figures.push({ seconds: (performance.now() - start) / 1000 });
        }
    } catch (error) {
        stop();
        figures.push({ error: (error as Error).message });
    }
    return measurements.map(({ what, command }, index): Reading => ({
        ...{ contender: name, what, command },
        figure: figures[index] ?? { error: "not measured, because what comes before it failed" },
    }));
}

/**
 * Runs one round, counted from 0. Whatever happens, each contender is removed before the next one comes. Throws what a removal
 * throws, and where the run was interrupted.
 */
export async function runRound(
    contenders: readonly Contender[],
    round: number,
    say: Say,
    pauses: Pauses = { rest: settle, stop: stopIfInterrupted },
): Promise<Reading[]> {
    const readings: Reading[] = [];
    for (const contender of inTurn(contenders, round)) {
        try {
            readings.push(...(await takeTimes(contender, say, pauses)));
        } finally {
            say(`${contender.name}: removing what it made`);
            await contender.remove();
        }
        pauses.stop();
    }
    return readings;
}
