/** Which test files a call of `npm test` runs, and what it says of them first. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
    announce,
    expectedMinutes,
    gateFiles,
    longFiles,
    selectFiles,
    testFiles,
} from "../../../operations/testing/selection.ts";

const project = join(import.meta.dirname, "../../..");
const files = [
    "test/stack/alone/persistence.test.ts",
    "test/stack/own/access.test.ts",
    "test/stack/own/changes.test.ts",
    "test/stack/shared/keys.test.ts",
    "test/unit/config.test.ts",
];

describe("the files", () => {
    it("are each of a kind that a project of vitest runs", () => {
        const all = testFiles(project);
        expect(all).toContain("test/unit/operations/selection.test.ts");
        expect(all.filter((file) => !/^test\/(unit|stack\/(shared|own|alone|long))\//.test(file))).toEqual([]);
    });

    it("are all of them without a name, else those whose path contains one, with or without the kind's folder", () => {
        expect(selectFiles(files, [])).toEqual(files);
        expect(selectFiles(files, ["stack/access", "own/changes"])).toEqual([files[1], files[2]]);
        expect(selectFiles(files, ["stack"])).toEqual(files.slice(0, 4));
    });

    it("of a name that nothing has are refused, with what a name may be", () => {
        expect(() => selectFiles(files, ["keys", "acess"])).toThrow("No test file's path contains acess.");
    });

    it("of a first look are the rules and four files, for which one platform is made", () => {
        const core = selectFiles(testFiles(project), ["core"]);
        expect(core.filter((file) => !file.startsWith("test/unit/"))).toEqual([
            "test/stack/alone/secrets.test.ts",
            "test/stack/alone/stopAndStart.test.ts",
            "test/stack/shared/hardening.test.ts",
            "test/stack/shared/keys.test.ts",
        ]);
        expect(core.length).toBeGreaterThan(40);
    });

    it("of the gate are all but those of the long tests' folder", () => {
        expect(gateFiles(["test/stack/long/takeover.test.ts", ...files])).toEqual(files);
    });

    it("of the long tests are those of their folder, and those that do more there", () => {
        const long = longFiles(project, testFiles(project));
        expect(long).toEqual(testFiles(project).filter((file) => long.includes(file)));
        expect(long).toEqual(
            expect.arrayContaining([
                ...testFiles(project).filter((file) => file.includes("/long/")),
                ...["changes", "existing", "plainPulumi"].map((name) => `test/stack/own/${name}.test.ts`),
            ]),
        );
        expect(long).not.toEqual(expect.arrayContaining(["test/stack/shared/keys.test.ts"]));
        expect(long.filter((file) => file.startsWith("test/unit/"))).toEqual([]);
    });
});

describe("before they run", () => {
    const seconds = {
        "set-up": 60,
        "test/stack/alone/persistence.test.ts": 120,
        "test/stack/own/access.test.ts": 600,
        "test/stack/own/changes.test.ts": 300,
        "test/stack/shared/keys.test.ts": 60,
        "test/unit/config.test.ts": 120,
    };

    it("their time is told from the last runs: set-up, two at a time, then those that run alone", () => {
        expect(expectedMinutes(files, seconds)).toBe(1 + 2 + (10 + 5 + 1) / 2 + 2 / 2);
        expect(expectedMinutes(["test/unit/config.test.ts"], seconds)).toBe(1);
        expect(announce(files, seconds)).toBe(
            "Tests: 5 files (1 of the rules, 1 on shared platforms, 2 on stacks of their own, 1 that run alone); " +
                "about 12 min by the last runs.",
        );
    });

    it("no time is made up for a file that has not run here", () => {
        expect(announce(["test/unit/new.test.ts"], seconds)).toBe(
            "Tests: 1 files (1 of the rules); not timed on this machine yet.",
        );
    });
});
