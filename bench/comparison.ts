/** What is compared with what, and how it came out over all rounds. */
import type { Figure, Reading } from "./rounds.ts";

/** A contender's measurement. */
export interface Side {
    readonly contender: string;
    readonly what: string;
}

/** One of ours, and what it is held against. */
export interface Comparison {
    readonly title: string;
    readonly ours: Side;
    readonly peers: readonly Side[];
}

/** Seconds over the rounds that have a figure. */
export interface Spread {
    readonly median: number;
    readonly least: number;
    readonly most: number;
}

/** One side over all rounds. */
export interface Row extends Side {
    readonly command: string;
    /** One for each round. */
    readonly figures: readonly Figure[];
    /** null where no round has a figure. */
    readonly spread: Spread | null;
    /** Our median divided by this one's; null for our own, and where one of them is missing. */
    readonly ratio: number | null;
}

/** A comparison's rows: ours, then the peers'. */
export interface Result {
    readonly title: string;
    readonly rows: readonly Row[];
}

/** Median, least and greatest of some numbers; null for none. */
export function spreadOf(numbers: readonly number[]): Spread | null {
    const sorted = [...numbers].sort((a, b) => a - b);
    const [least] = sorted;
    const most = sorted.at(-1);
    const upper = sorted[Math.floor(sorted.length / 2)];
    const lower = sorted[Math.floor((sorted.length - 1) / 2)];
    return least === undefined || most === undefined || upper === undefined || lower === undefined
        ? null
        : { median: (lower + upper) / 2, least, most };
}

/** The results of all rounds. Throws where a comparison names what was not measured. */
export function resultsOf(comparisons: readonly Comparison[], rounds: readonly (readonly Reading[])[]): Result[] {
    const rowOf = ({ contender, what }: Side, ours: Spread | null): Row => {
        const readings = rounds.map((readings) => {
            const found = readings.find((reading) => reading.contender === contender && reading.what === what);
            if (found === undefined) {
                throw new Error(`${contender} has no ${what}`);
            }
            return found;
        });
        const spread = spreadOf(readings.flatMap(({ figure }) => ("seconds" in figure ? [figure.seconds] : [])));
        return {
            ...{ contender, what, command: readings[0]?.command ?? "" },
            figures: readings.map(({ figure }) => figure),
            spread,
            ratio: spread === null || ours === null ? null : ours.median / spread.median,
        };
    };
    return comparisons.map(({ title, ours, peers }) => {
        const own = rowOf(ours, null);
        return { title, rows: [own, ...peers.map((peer) => rowOf(peer, own.spread))] };
    });
}
