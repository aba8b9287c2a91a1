/** The results for people, and what was wrong with a round. */
import { type Output, table } from "../operations/table.ts";
import type { Result, Row } from "./comparison.ts";

/** Seconds with three digits or as many as are before the point. */
export function secondsInWords(seconds: number): string {
    return seconds < 10 ? seconds.toFixed(2) : seconds < 100 ? seconds.toFixed(1) : seconds.toFixed(0);
}

function medianOf({ figures, spread }: Row): string {
    const counted = figures.filter((figure) => "seconds" in figure).length;
    const rounds = counted === figures.length ? "" : ` (${counted} of ${figures.length} rounds)`;
    return spread === null ? "no figure" : `${secondsInWords(spread.median)}${rounds}`;
}

/** A line for each row, without a line break at the end. */
export function resultTable(results: readonly Result[], output?: Output): string {
    return table(
        ["what", "who", "median s", "least–most s", "ours ÷ it", "command"],
        results.flatMap(({ title, rows }) =>
            rows.map((row, index) => [
                index === 0 ? title : "",
                row.contender,
                medianOf(row),
                row.spread === null ? "" : `${secondsInWords(row.spread.least)}–${secondsInWords(row.spread.most)}`,
                row.ratio === null ? "" : row.ratio.toFixed(2),
                row.command,
            ]),
        ),
        output,
    );
}

/** Why rounds have no figure: once each, in order of rounds. */
export function errorsOf(results: readonly Result[]): string[] {
    const rows = results.flatMap(({ rows }) => rows);
    const rounds = Math.max(0, ...rows.map(({ figures }) => figures.length));
    const texts = Array.from({ length: rounds }, (_, round) =>
        rows.flatMap(({ contender, what, figures }) => {
            const figure = figures[round];
            return figure !== undefined && "error" in figure
                ? [`Round ${round + 1}, ${contender}, ${what}: ${figure.error}`]
                : [];
        }),
    );
    return [...new Set(texts.flat())];
}
