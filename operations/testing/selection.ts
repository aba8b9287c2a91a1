/** Which test files a call of `npm test` runs, and about how long they take. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../userError.ts";
import { setUp } from "./lastSeconds.ts";

/** For a first look: the rules, and on one platform a round trip, hardening, secrets, stop and start. */
const core = [
    "test/unit/",
    ...["shared/keys", "shared/hardening", "alone/secrets", "alone/stopAndStart"].map(
        (name) => `test/stack/${name}.test.ts`,
    ),
];

/** Every test file, from the project's directory. */
export function testFiles(project: string): string[] {
    return readdirSync(join(project, "test"), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".test.ts"))
        .map((name) => `test/${name}`)
        .sort();
}

/** Whether a path contains a name, with or without the folder that says of which kind a stack's test is. */
function matches(file: string, name: string): boolean {
    return file.includes(name) || file.replace(/\/(shared|own|alone|long)\//, "/").includes(name);
}

/** Those whose path contains one of the names, or all where none is given; the name `core` stands for a first look. */
export function selectFiles(files: readonly string[], names: readonly string[]): string[] {
    const wanted = names.flatMap((name) => (name === "core" ? core : [name]));
    for (const name of wanted) {
        if (!files.some((file) => matches(file, name))) {
            throw new UserError(
                `No test file's path contains ${name}.`,
                "Give a part of a path below test/, such as unit, shared/, stack/access or core (a first look).",
            );
        }
    }
    return files.filter((file) => wanted.length === 0 || wanted.some((name) => matches(file, name)));
}

const isLongOnly = (file: string) => file.startsWith("test/stack/long/");

/** Those of the gate: all but what stands in the folder of the long tests. */
export function gateFiles(files: readonly string[]): string[] {
    return files.filter((file) => !isLongOnly(file));
}

/** The long tests: what stands in their folder, and what does more where MLFLOW_PLATFORM_TEST_LONG is set. */
export function longFiles(project: string, files: readonly string[]): string[] {
    return files.filter(
        (file) =>
            isLongOnly(file) ||
            (file.startsWith("test/stack/") &&
                readFileSync(join(project, file), "utf8").includes("MLFLOW_PLATFORM_TEST_LONG")),
    );
}

/** Minutes that files will take, by the seconds of the last runs; undefined where a file has not run here yet. */
export function expectedMinutes(
    files: readonly string[],
    seconds: Readonly<Record<string, number>>,
): number | undefined {
    const of = (part: string) => files.filter((file) => file.startsWith(part)).map((file) => seconds[file]);
    const sum = (some: readonly (number | undefined)[]) => some.reduce<number>((total, one) => total + (one ?? NaN), 0);
    const alone = of("test/stack/alone/");
    const stacks = [...of("test/stack/shared/"), ...of("test/stack/own/")];
    const before = stacks.length + alone.length === 0 ? 0 : (seconds[setUp] ?? NaN);
    // Two files at a time, but for the last ones.
    const total = before + sum(of("test/unit/")) / 2 + sum(stacks) / 2 + sum(alone);
    return Number.isNaN(total) ? undefined : Math.max(1, Math.round(total / 60));
}

/** What will be done, in words, before it is begun. */
export function announce(files: readonly string[], seconds: Readonly<Record<string, number>>): string {
    const count = (part: string) => files.filter((file) => file.startsWith(part)).length;
    const parts = [
        [count("test/unit/"), "of the rules"],
        [count("test/stack/shared/"), "on shared platforms"],
        [count("test/stack/own/"), "on stacks of their own"],
        [count("test/stack/alone/"), "that run alone"],
    ] as const;
    const what = parts.flatMap(([number, words]) => (number === 0 ? [] : [`${number} ${words}`])).join(", ");
    const minutes = expectedMinutes(files, seconds);
    const time = minutes === undefined ? "not timed on this machine yet" : `about ${minutes} min by the last runs`;
    return `Tests: ${files.length} files (${what}); ${time}.`;
}
