/** The table, what is said of errors, and the plot. */
import { describe, expect, it } from "vitest";
import type { Result, Row } from "../../../bench/comparison.ts";
import { spreadOf } from "../../../bench/comparison.ts";
import { plot, ticksOf } from "../../../bench/plot.ts";
import { errorsOf, resultTable, secondsInWords } from "../../../bench/report.ts";
import type { Figure } from "../../../bench/rounds.ts";

const row = (contender: string, figures: Figure[], ratio: number | null = null): Row => ({
    ...{ contender, what: "update", command: `${contender} up`, figures, ratio },
    spread: spreadOf(figures.flatMap((figure) => ("seconds" in figure ? [figure.seconds] : []))),
});
const results: Result[] = [
    {
        title: "cold",
        rows: [
            row("us", [{ seconds: 44.21 }, { seconds: 34.34 }, { seconds: 101.6 }]),
            row("them", [{ seconds: 4 }, { error: "them up: exit code 1\nport taken" }, { seconds: 5 }], 9.824),
            row("gone", [{ error: "x" }, { error: "y" }, { error: "x" }]),
        ],
    },
    { title: "<help> & more", rows: [row("us", [{ seconds: 0.4 }, { seconds: 0.5 }, { seconds: 0.6 }])] },
];

describe("seconds", () => {
    it.each([
        [0.4, "0.40"],
        [9.994, "9.99"],
        [44.21, "44.2"],
        [101.6, "102"],
    ])("%s are %s", (seconds, words) => {
        expect(secondsInWords(seconds)).toBe(words);
    });
});

describe("the table", () => {
    it("has a line for each side: median, spread, ratio; and says where rounds are missing", () => {
        expect(resultTable(results, {}).split("\n")).toEqual([
            "what           who   median s              least–most s  ours ÷ it  command",
            "cold           us    44.2                  34.3–102                 us up",
            "               them  4.50 (2 of 3 rounds)  4.00–5.00     9.82       them up",
            "               gone  no figure                                      gone up",
            "<help> & more  us    0.50                  0.40–0.60                us up",
        ]);
    });
});

describe("errors", () => {
    it("are in the order of rounds", () => {
        expect(errorsOf(results)).toEqual([
            "Round 1, gone, update: x",
            "Round 2, them, update: them up: exit code 1\nport taken",
            "Round 2, gone, update: y",
            "Round 3, gone, update: x",
        ]);
    });

    it("are said once where a side is in two comparisons", () => {
        const [cold] = results;
        expect(errorsOf(cold === undefined ? [] : [cold, { ...cold, title: "again" }])).toHaveLength(4);
    });

    it("are none where every round has its figures", () => {
        expect(errorsOf(results.slice(1))).toEqual([]);
        expect(errorsOf([])).toEqual([]);
    });
});

describe("the axis", () => {
    it.each([
        [3.4, [0, 1, 2, 3, 4]],
        [8, [0, 2, 4, 6, 8]],
        [44.2, [0, 20, 40, 60]],
        [0.6, [0, 0.2, 0.4, 0.6]],
        [0, [0, 0.0005, 0.001]],
    ])("to %s s has %j", (most, ticks) => {
        expect(ticksOf(most)).toEqual(ticks);
    });
});

describe("the plot", () => {
    const svg = plot(results, "2 cores & a half");

    it("has a dot for each figure, and a bar for each median", () => {
        expect(svg.match(/<circle /g)).toHaveLength(8);
        expect(svg.match(/stroke-width="3"/g)).toHaveLength(3);
        expect(svg.match(/<g class="ours">/g)).toHaveLength(2);
        expect(svg.match(/<g class="peer">/g)).toHaveLength(1);
    });

    it("names sides, medians and ratios, and those without a figure", () => {
        const texts = [...svg.matchAll(/<text [^>]*>(.*?)<\/text>/g)].map(([, text]) => text);
        expect(texts).toEqual([
            ...["cold", "0 s", "50 s", "100 s", "150 s"],
            ...["us", "44.2 s", "them", "4.50 s (ours ÷ it: 9.82)", "gone", "no figure"],
            ...["&lt;help&gt; &amp; more", "0 s", "0.2 s", "0.4 s", "0.6 s"],
            ...["us", "0.50 s"],
            "2 cores &amp; a half",
        ]);
    });

    it("puts seconds on one scale for each comparison: from 190 to 710 pixels", () => {
        const dots = [...svg.matchAll(/cx="([\d.]+)"/g)].map(([, x]) => Number(x));
        const at = (seconds: number, last: number) => Number((190 + (520 * seconds) / last).toFixed(1));
        expect(dots).toEqual([
            ...[at(44.21, 150), at(34.34, 150), at(101.6, 150)],
            ...[at(4, 150), at(5, 150)],
            ...[at(0.4, 0.6), at(0.5, 0.6), at(0.6, 0.6)],
        ]);
    });
});
