/** Contenders in turn: what is timed, what a failure leaves, and that each is removed. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import { type Contender, type Measurement, inTurn, runRound } from "../../../bench/rounds.ts";

describe("the order of a round", () => {
    it.each([
        [0, ["a", "b", "c"]],
        [1, ["b", "c", "a"]],
        [2, ["c", "a", "b"]],
        [3, ["a", "b", "c"]],
    ])("%s begins with another contender", (round, order) => {
        expect(inTurn(["a", "b", "c"], round)).toEqual(order);
    });

    it("of no contender is none", () => {
        expect(inTurn([], 1)).toEqual([]);
    });
});

describe("a round", () => {
    let happened: string[];
    let interrupted: boolean;
    beforeEach(() => {
        happened = [];
        interrupted = false;
    });
    const note = (text: string) => () => {
        happened.push(text);
        return Promise.resolve();
    };
    const fail = (text: string) => () => {
        happened.push(text);
        return Promise.reject(new Error(`${text} broke`));
    };
    const stop = () => {
        if (interrupted) {
            throw new Error("interrupted");
        }
    };
    const measurement = (contender: string, what: string, run = note): Measurement => ({
        what,
        command: `do ${what}`,
        run: run(`${contender} ${what}`),
    });
    const contender = (name: string, change: Partial<Contender> = {}): Contender => ({
        name,
        prepare: note(`${name} prepare`),
        measurements: [measurement(name, "cold"), { ...measurement(name, "again"), settled: true }],
        remove: note(`${name} remove`),
        ...change,
    });
    const round = (contenders: Contender[], number = 0) =>
        runRound(contenders, number, (line) => happened.push(`say ${line}`), { rest: note("rest"), stop });
    const done = () => happened.filter((line) => !line.startsWith("say "));

    it("has each contender prepare, take its times and go before the next one comes", async () => {
        const readings = await round([contender("a"), contender("b")], 1);
        expect(done()).toEqual([
            ...["b prepare", "b cold", "rest", "b again", "b remove"],
            ...["a prepare", "a cold", "rest", "a again", "a remove"],
        ]);
        expect(readings.map(({ contender, what, command }) => [contender, what, command])).toEqual([
            ["b", "cold", "do cold"],
            ["b", "again", "do again"],
            ["a", "cold", "do cold"],
            ["a", "again", "do again"],
        ]);
        expect(readings.every(({ figure }) => "seconds" in figure)).toBe(true);
    });

    it("times the command alone, not what comes before it", async () => {
        vi.useFakeTimers({ toFake: ["performance"] });
        const taking = (milliseconds: number) => () => {
            vi.advanceTimersByTime(milliseconds);
            return Promise.resolve();
        };
        try {
            const one = contender("a", {
                prepare: taking(60_000),
                measurements: [{ what: "cold", command: "do cold", run: taking(2500) }],
                remove: taking(7000),
            });
            expect(await runRound([one], 0, () => undefined)).toEqual([
                { contender: "a", what: "cold", command: "do cold", figure: { seconds: 2.5 } },
            ]);
        } finally {
            vi.useRealTimers();
        }
    });

    it("says what is being done", async () => {
        await round([contender("a")]);
        expect(happened.filter((line) => line.startsWith("say "))).toEqual([
            "say a: preparing",
            "say a: do cold",
            "say a: waiting until its processes have come to rest",
            "say a: do again",
            "say a: removing what it made",
        ]);
    });

    it("has no figure for what failed and for what comes after it; the others have theirs", async () => {
        const broken = contender("a", {
            measurements: [measurement("a", "one"), measurement("a", "two", fail), measurement("a", "three")],
        });
        const readings = await round([broken, contender("b")]);
        expect(done()).toEqual([
            ...["a prepare", "a one", "a two", "a remove"],
            ...["b prepare", "b cold", "rest", "b again", "b remove"],
        ]);
        expect(readings.slice(1, 3).map(({ figure }) => figure)).toEqual([
            { error: "a two broke" },
            { error: "not measured, because what comes before it failed" },
        ]);
        expect(readings.map(({ figure }) => "seconds" in figure)).toEqual([true, false, false, true, true]);
    });

    it("has no figure at all for one that cannot be prepared", async () => {
        const readings = await round([contender("a", { prepare: fail("a prepare") })]);
        expect(done()).toEqual(["a prepare", "a remove"]);
        expect(readings.map(({ figure }) => figure)).toEqual([
            { error: "a prepare broke" },
            { error: "not measured, because what comes before it failed" },
        ]);
    });

    it("that is interrupted ends after what it made is removed", async () => {
        const interrupting = () => {
            interrupted = true;
            return Promise.reject(new Error("signal SIGINT"));
        };
        const one = contender("a", { measurements: [{ what: "cold", command: "do cold", run: interrupting }] });
        await expect(round([one, contender("b")])).rejects.toThrow(/^interrupted$/);
        expect(done()).toEqual(["a prepare", "a remove"]);
    });

    it("ends where something cannot be removed: the next one would not have the machine to itself", async () => {
        await expect(round([contender("a", { remove: fail("a remove") }), contender("b")])).rejects.toThrow(
            "a remove broke",
        );
        expect(done().filter((line) => line.startsWith("b"))).toEqual([]);
    });
});
