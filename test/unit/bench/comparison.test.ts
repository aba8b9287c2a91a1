/** Medians, spreads and ratios over the rounds. */
import { describe, expect, it } from "vitest";
import { type Comparison, resultsOf, spreadOf } from "../../../bench/comparison.ts";
import type { Figure, Reading } from "../../../bench/rounds.ts";

describe("the spread of numbers", () => {
    it.each([
        [[3], { median: 3, least: 3, most: 3 }],
        [[10, 9], { median: 9.5, least: 9, most: 10 }],
        [[10, 9, 100], { median: 10, least: 9, most: 100 }],
        [[4, 1, 3, 2], { median: 2.5, least: 1, most: 4 }],
        [[], null],
    ])("%j is %j", (numbers, spread) => {
        expect(spreadOf(numbers)).toEqual(spread);
    });
});

describe("the results", () => {
    const comparison: Comparison = {
        title: "nothing changed",
        ours: { contender: "us", what: "update" },
        peers: [
            { contender: "them", what: "update" },
            { contender: "nobody", what: "update" },
        ],
    };
    const reading = (contender: string, figure: Figure): Reading => ({
        ...{ contender, what: "update", command: `${contender} up` },
        figure,
    });
    const round = (us: Figure, them: Figure): Reading[] => [
        reading("them", them),
        reading("us", us),
        reading("nobody", { error: "broke" }),
        { ...reading("us", { seconds: 1000 }), what: "cold start" },
    ];

    it("are the medians of each side, and ours divided by each of the others", () => {
        const [result, ...more] = resultsOf(
            [comparison],
            [
                round({ seconds: 8 }, { seconds: 2 }),
                round({ seconds: 6 }, { seconds: 5 }),
                round({ seconds: 7 }, { seconds: 4 }),
            ],
        );
        expect(more).toEqual([]);
        expect(result).toEqual({
            title: "nothing changed",
            rows: [
                {
                    ...{ contender: "us", what: "update", command: "us up" },
                    figures: [{ seconds: 8 }, { seconds: 6 }, { seconds: 7 }],
                    spread: { median: 7, least: 6, most: 8 },
                    ratio: null,
                },
                {
                    ...{ contender: "them", what: "update", command: "them up" },
                    figures: [{ seconds: 2 }, { seconds: 5 }, { seconds: 4 }],
                    spread: { median: 4, least: 2, most: 5 },
                    ratio: 1.75,
                },
                {
                    ...{ contender: "nobody", what: "update", command: "nobody up" },
                    figures: [{ error: "broke" }, { error: "broke" }, { error: "broke" }],
                    spread: null,
                    ratio: null,
                },
            ],
        });
    });

    it("leave out a round with an error", () => {
        const [result] = resultsOf(
            [comparison],
            [round({ error: "timed out" }, { seconds: 2 }), round({ seconds: 6 }, { seconds: 4 })],
        );
        expect(result?.rows.map(({ spread }) => spread?.median)).toEqual([6, 3, undefined]);
        expect(result?.rows.map(({ ratio }) => ratio)).toEqual([null, 2, null]);
        expect(result?.rows[0]?.figures).toEqual([{ error: "timed out" }, { seconds: 6 }]);
    });

    it("have no ratio where we have no figure", () => {
        const [result] = resultsOf([comparison], [round({ error: "timed out" }, { seconds: 2 })]);
        expect(result?.rows.map(({ ratio }) => ratio)).toEqual([null, null, null]);
    });

    it("cannot be of what was not measured", () => {
        const peers = [{ contender: "them", what: "coffee" }];
        expect(() => resultsOf([{ ...comparison, peers }], [round({ seconds: 1 }, { seconds: 1 })])).toThrow(
            "them has no coffee",
        );
    });
});
