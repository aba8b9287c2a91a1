/** The results as an SVG plot: a panel for each comparison, and in it a line for each side from its least to its greatest figure. */
import type { Result, Row } from "./comparison.ts";
import { secondsInWords } from "./report.ts";

/** Pixels. */
const size = { width: 860, title: 34, row: 24, axis: 30, left: 190, right: 150 };

const escaped = (text: string) =>
    text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** Equal steps from 0 that are easy to read, up to at least `most`. */
export function ticksOf(most: number): number[] {
    const top = Math.max(most, 0.001);
    const rough = top / 4;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
    // Not by adding up, which gathers errors.
    return Array.from({ length: Math.ceil(top / step) + 1 }, (_, index) => Number((index * step).toPrecision(6)));
}

function line(row: Row, ours: boolean, x: (seconds: number) => string, y: number): string[] {
    const label = `<text x="${size.left - 12}" y="${y + 4}" text-anchor="end">${escaped(row.contender)}</text>`;
    if (row.spread === null) {
        return [label, `<text x="${size.left + 8}" y="${y + 4}" class="note">no figure</text>`];
    }
    const { median, least, most } = row.spread;
    const ratio = row.ratio === null ? "" : ` (ours ÷ it: ${row.ratio.toFixed(2)})`;
    return [
        label,
        `<g class="${ours ? "ours" : "peer"}"><title>${escaped(row.command)}</title>`,
        `<line x1="${x(least)}" y1="${y}" x2="${x(most)}" y2="${y}" stroke-width="2"/>`,
        ...row.figures.flatMap((figure) =>
            "seconds" in figure ? [`<circle cx="${x(figure.seconds)}" cy="${y}" r="3" fill-opacity="0.5"/>`] : [],
        ),
        `<line x1="${x(median)}" y1="${y - 8}" x2="${x(median)}" y2="${y + 8}" stroke-width="3"/>`,
        "</g>",
        `<text x="${Number(x(most)) + 10}" y="${y + 4}" class="note">${secondsInWords(median)} s${ratio}</text>`,
    ];
}

/** Height of a panel. */
const heightOf = ({ rows }: Result) => size.title + rows.length * size.row + size.axis;

function panel(result: Result, top: number): string[] {
    const ticks = ticksOf(Math.max(0, ...result.rows.map(({ spread }) => spread?.most ?? 0)));
    const scale = (size.width - size.left - size.right) / (ticks.at(-1) ?? 1);
    const x = (seconds: number) => (size.left + seconds * scale).toFixed(1);
    const bottom = top + size.title + result.rows.length * size.row;
    return [
        `<text x="16" y="${top + 20}" class="title">${escaped(result.title)}</text>`,
        ...ticks.flatMap((tick) => [
            `<line x1="${x(tick)}" y1="${top + size.title - 6}" x2="${x(tick)}" y2="${bottom}" class="grid"/>`,
            `<text x="${x(tick)}" y="${bottom + 14}" text-anchor="middle" class="note">${tick} s</text>`,
        ]),
        ...result.rows.flatMap((row, index) =>
            line(row, index === 0, x, top + size.title + index * size.row + size.row / 2),
        ),
    ];
}

/** The plot; `caption` says under it what was measured where. */
export function plot(results: readonly Result[], caption: string): string {
    const tops = results.map((_, index) => results.slice(0, index).reduce((sum, one) => sum + heightOf(one), 0));
    const height = results.reduce((sum, one) => sum + heightOf(one), 0) + 30;
    return `${[
        `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${height}" viewBox="0 0 ${size.width} ${height}" font-family="sans-serif" font-size="13">`,
        "<style>.title{font-weight:bold}.note{font-size:11px;fill:#555}.grid{stroke:#ddd}.ours{stroke:#0b6;fill:#0b6}.peer{stroke:#468;fill:#468}</style>",
        `<rect width="${size.width}" height="${height}" fill="white"/>`,
        ...results.flatMap((result, index) => panel(result, tops[index] ?? 0)),
        `<text x="16" y="${height - 10}" class="note">${escaped(caption)}</text>`,
        "</svg>",
    ].join("\n")}\n`;
}
