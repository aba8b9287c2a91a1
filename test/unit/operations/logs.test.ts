/** Lines of logs: taken apart, in order of time, of the containers that were named. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { StackContainer } from "../../../operations/containers.ts";
import { chosen, inOrder, parseLine } from "../../../operations/status/logs.ts";

describe("a line of docker logs --timestamps", () => {
    it.each([
        ["2026-11-29T14:02:38.123456789Z hello  world", "hello  world"],
        ["2026-11-29T14:02:38.123456789Z ", ""],
        ["2026-11-29T14:02:38.123456789Z", ""],
        ["2026-11-29T14:02:38.123456789Z 2026-11-29T14:02:38.123456789Z twice", "2026-11-29T14:02:38.123456789Z twice"],
    ])("%j", (line, text) => {
        expect(parseLine("minio", line)).toEqual({ time: "2026-11-29T14:02:38.123456789Z", service: "minio", text });
    });

    it("is none where docker itself says something", () => {
        expect(parseLine("minio", "Error response from daemon: no such container")).toBeUndefined();
    });
});

describe("lines of several containers", () => {
    it("are in order of time, and those of one moment as they came", () => {
        fc.assert(
            fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.constantFrom("a", "b"))), (some) => {
                const lines = some.map(([second, service], index) => ({
                    time: `2026-11-29T14:02:0${second}.000000000Z`,
                    service,
                    text: String(index),
                }));
                const ordered = inOrder(lines);
                expect(ordered).toHaveLength(lines.length);
                for (const [index, line] of ordered.entries()) {
                    const before = ordered[index - 1];
                    expect(
                        before === undefined ||
                            before.time < line.time ||
                            (before.time === line.time && Number(before.text) < Number(line.text)),
                    ).toBe(true);
                }
            }),
        );
    });
});

describe("the containers that are named", () => {
    const container = (name: string, kind: StackContainer["kind"]) => ({ name, kind }) as unknown as StackContainer;
    const containers = [
        container("mlflow", "service"),
        container("mlflow-migrate", "job"),
        container("x-seed", "seed"),
    ];
    const names = (...some: string[]) => chosen(some, containers).map(({ name }) => name);

    it("are all but seeds where none is", () => {
        expect(names()).toEqual(["mlflow", "mlflow-migrate"]);
        expect(names("mlflow-migrate")).toEqual(["mlflow-migrate"]);
    });

    it("that there are not are refused with those that there are", () => {
        for (const name of ["mlfow", "x-seed"]) {
            expect(() => names("mlflow", name)).toThrow(
                expect.objectContaining({
                    message: expect.stringContaining(`There is no ${name} in this stack. Did you mean `) as string,
                    cure: "There are: mlflow, mlflow-migrate.",
                }),
            );
        }
    });
});
