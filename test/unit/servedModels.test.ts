/** The list of served models: what each field is by default, takes and refuses, and every problem with its place. */
import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { Problems, type ServedModel, parseServedModels, servedModelFields } from "../../servedModels.ts";

/** What each entry has to have. */
const least = { name: "iris", port: 5100 };
/** The entry that these are. */
const entryOf = (fields: object): ServedModel => {
    const [entry] = parseServedModels(JSON.stringify([fields]));
    if (entry === undefined) {
        throw new Error("no entry");
    }
    return entry;
};
/** The problems of a list. */
const problemsOf = (list: unknown): readonly string[] => {
    try {
        parseServedModels(JSON.stringify(list));
    } catch (error) {
        expect(error).toBeInstanceOf(Problems);
        return (error as Problems).list;
    }
    return [];
};

/** One field: the value when unset, values as JSON has them with what they give, values that it refuses with the reason. */
interface Row {
    default: string | number | undefined;
    takes: [string | number, string | number][];
    refuses: [unknown, string][];
}
const same = (...values: string[]): [string, string][] => values.map((value) => [value, value]);
/** Other values than a single one. */
const several: [unknown, string][] = [
    [[1], "is not a single value"],
    [{}, "is not a single value"],
];
const words = (values: string[], hint: string): [unknown, string][] => [
    ...several,
    ...values.map((value): [unknown, string] => [value, `"${value}" is not possible: set one such as ${hint}`]),
];
const whole = (value: number | undefined, min: number, max: number): Row => ({
    default: value,
    // `pulumi config set --path` turns what looks like a number into one.
    takes: [
        [min, min],
        [max, max],
        [String(min), min],
        [String(max), max],
        [`00${min}`, min],
    ],
    refuses: [
        ...several,
        ...["", "abc", "1.5", "-1", "+1", "0x1f4", "1e3", " 500", "9999999999", String(min - 1), String(max + 1)].map(
            (text): [unknown, string] => [text, `"${text}" is not a whole number from ${min} to ${max}`],
        ),
        ...[min - 1, max + 1, min + 0.5, 1e21].map((number): [unknown, string] => [
            number,
            `"${number}" is not a whole number from ${min} to ${max}`,
        ]),
        [true, `"true" is not a whole number from ${min} to ${max}`],
    ],
});
const decimal = (value: number, min: number, max: number, more: Row["takes"], refuses: unknown[]): Row => ({
    default: value,
    takes: [[min, min], [max, max], [String(min), min], [String(max), max], ...more],
    refuses: [
        ...several,
        ...["", "abc", ".5", "1.", "1,5", "-1", "+1", "1e0", " 1", "0.00001", ...refuses].map(
            (some): [unknown, string] => [some, `"${String(some)}" is not a number from ${min} to ${max}`],
        ),
    ],
});
const nameHint = "iris, of 1 to 30 lower-case letters, digits and hyphens, without -monitor or -seed at the end";
const aliasHint = "production; MLflow keeps latest, v1 and the like for itself";

const table: Record<keyof ServedModel, Row> = {
    name: {
        default: undefined,
        takes: [...same("iris", "a", "7", "iris-2", "a--b", "n".repeat(30)), [7, "7"]],
        refuses: words(
            ["", "Iris", "-iris", "iris-", "my_model", "my.model", "my model", " iris", "iris\n", "ä", "n".repeat(31)],
            nameHint,
        ),
    },
    model: {
        default: "iris",
        takes: [...same("Iris flowers", "ä@b.c\\d'\"$", "m".repeat(250), "a.b", "..."), [2026, "2026"]],
        refuses: [
            ...several,
            ...["", " ", "a/b", "a:b", " a", "a ", "a\nb", "a\u0000b", "a\u007fb", ".", "..", "m".repeat(251)].map(
                (text): [unknown, string] => [
                    text,
                    `"${text}" is not the name of a registered model: set one without slash and colon`,
                ],
            ),
        ],
    },
    alias: {
        default: "production",
        takes: same("champion", "A", "a-b_c", "v1a", "version1", "latest-1", "mylatest", "v", "x".repeat(101)),
        refuses: words(
            // As validate_alias_name in mlflow/utils/validation.py has it: reserved in any case, and no dot.
            ["", "latest", "Latest", "LATEST", "v1", "v12345", "V1", "a b", "a/b", "a@b", "a.b", "ä", "x".repeat(102)],
            aliasHint,
        ),
    },
    port: whole(undefined, 1, 65535),
    memory: whole(2048, 512, 1048576),
    cpus: decimal(
        1,
        0.1,
        9.9,
        [
            ["1", 1],
            ["1.50", 1.5],
            [0.25, 0.25],
        ],
        ["0", "0.05", "10", 10, 9.91, 0],
    ),
    aliasPollSeconds: whole(10, 1, 3600),
    requestSize: whole(16, 1, 1024),
    requestSeconds: whole(60, 1, 3600),
    requestConcurrency: whole(8, 1, 256),
    recordSampleRate: decimal(
        0,
        0,
        1,
        [
            ["0.05", 0.05],
            [0.5, 0.5],
            ["1.0", 1],
            [0.0001, 0.0001],
        ],
        ["1.1", "2", 2, 1.0001, -0.5],
    ),
    recordSize: whole(256, 16, 1048576),
    recordDays: whole(30, 1, 3650),
    waitSeconds: whole(900, 10, 7200),
    tokenVersion: whole(1, 1, 999999999),
    monitorSchedule: {
        default: undefined,
        takes: same("0 * * * *", "*/15 6-18 * JAN,FEB MON-FRI", "0 0 1,15 * *", "0 0 * * 5#2", "0 0 L * *"),
        refuses: [
            ...several,
            ...[
                "",
                "* * * *",
                "* * * * * *",
                "@hourly",
                "every hour at noon !",
                "0  * * * *",
                " 0 * * * *",
                "0 * * * *\n",
            ].map((text): [unknown, string] => [
                text,
                `"${text}" is not a time as cron has it: set five fields such as "0 * * * *", every hour`,
            ]),
            [5, '"5" is not a time as cron has it: set five fields such as "0 * * * *", every hour'],
        ],
    },
    minimumSamples: whole(100, 10, 1000000),
    promote: {
        default: "manual",
        takes: same("manual", "auto"),
        refuses: words(["", "Auto", "automatic", "true", "manual ", "auto\n"], "manual or auto"),
    },
};
const names = Object.keys(table) as (keyof ServedModel)[];

describe("the table of fields", () => {
    it("is described completely by these tests", () => {
        expect(Object.keys(servedModelFields)).toEqual(names);
    });

    it.each(Object.entries<{ doc: string; default?: string; required?: true }>(servedModelFields))(
        "%s is documented, and has either to be set or not",
        (_name, field) => {
            expect(field.doc).toMatch(/^[A-Z].*[.)]$/);
            expect(field.doc).not.toContain("|");
            expect(field.required === true && field.default !== undefined).toBe(false);
        },
    );

    it("has name and port to be set, and nothing else", () => {
        const required = Object.entries<{ doc: string; required?: true }>(servedModelFields).filter(
            ([, field]) => field.required,
        );
        expect(required.map(([name]) => name)).toEqual(["name", "port"]);
    });

    it("gives the values these types", () => {
        expectTypeOf<ServedModel["port"]>().toEqualTypeOf<number>();
        expectTypeOf<ServedModel["recordSampleRate"]>().toEqualTypeOf<number>();
        expectTypeOf<ServedModel["monitorSchedule"]>().toEqualTypeOf<string | undefined>();
    });
});

describe.each(names)("%s", (name) => {
    const row = table[name];
    const others = Object.fromEntries(Object.entries(least).filter(([other]) => other !== name));

    it(`is ${String(row.default)} when unset, and as good as unset when null`, () => {
        if (name in least) {
            expect(problemsOf([others])).toEqual([`modelServers[0].${name}: has to be set`]);
            expect(problemsOf([{ ...others, [name]: null }])).toEqual([`modelServers[0].${name}: has to be set`]);
        } else {
            expect(entryOf(others)[name]).toBe(row.default);
            expect(entryOf({ ...others, [name]: null })[name]).toBe(row.default);
        }
    });

    it.each(row.takes)("takes %j: %j", (given, expected) => {
        expect(entryOf({ ...others, [name]: given })[name]).toBe(expected);
    });

    it.each(row.refuses)("refuses %j", (given, reason) => {
        expect(problemsOf([{ ...others, [name]: given }])).toEqual([`modelServers[0].${name}: ${reason}`]);
    });
});

describe("a list", () => {
    it("is what its entries say, and the defaults", () => {
        expect(
            parseServedModels('[{"port":"5100","name":"iris"},{"name":"wine","port":5101,"model":"Wine","cpus":2}]'),
        ).toEqual([
            {
                name: "iris",
                model: "iris",
                alias: "production",
                port: 5100,
                memory: 2048,
                cpus: 1,
                aliasPollSeconds: 10,
                requestSize: 16,
                requestSeconds: 60,
                requestConcurrency: 8,
                recordSampleRate: 0,
                recordSize: 256,
                recordDays: 30,
                waitSeconds: 900,
                tokenVersion: 1,
                monitorSchedule: undefined,
                minimumSamples: 100,
                promote: "manual",
            },
            {
                ...entryOf({ name: "wine", port: 5101 }),
                model: "Wine",
                cpus: 2,
            },
        ]);
    });

    it("may be empty", () => {
        expect(parseServedModels("[]")).toEqual([]);
    });

    it.each(["", "iris", "[", "{}", '{"name":"iris","port":5100}', "null", "1", '"iris"'])("is not %j", (text) => {
        const parse = () => parseServedModels(text);
        expect(parse).toThrow(/^is not a list: pulumi config set --path 'modelServers\[0\]\.name' <name>$/);
        // The caller puts the key's name before it, as it does with any other key's.
        expect(parse).not.toThrow(Problems);
    });

    it.each([["iris"], [5100], [true], [null], [[]], [["iris", 5100]]])("has no entry %j", (entry) => {
        expect(problemsOf([least, entry])).toEqual([
            "modelServers[1]: is not an entry with fields: set modelServers[1].name and modelServers[1].port",
        ]);
    });

    it.each([
        ["ports", "port"],
        ["Name", "name"],
        ["aliasPolSeconds", "aliasPollSeconds"],
        ["monitorschedule", "monitorSchedule"],
        ["recordsamplerate", "recordSampleRate"],
        ["cpu", "cpus"],
    ])("has no field %s: %s is offered", (given, nearest) => {
        expect(problemsOf([{ ...least, [given]: "x" }])).toEqual([
            `modelServers[0].${given}: there is no such field: did you mean ${nearest}?`,
        ]);
    });

    it.each(["toString", "constructor", "__proto__"])("takes %s for no field of JavaScript's own", (name) => {
        expect(() => parseServedModels(`[{"name":"iris","port":5100,"${name}":"x"}]`)).toThrow(
            `modelServers[0].${name}: there is no such field: did you mean `,
        );
        expect(entryOf(least)).not.toHaveProperty(`${name}.x`);
    });

    it("has each name once", () => {
        const taken = (index: number, name: string, other: number) =>
            `modelServers[${index}].name: "${name}" is also that of modelServers[${other}]: set another name`;
        const list = ["iris", "wine", "iris", "wine", "iris"].map((name, index) => ({ name, port: 5100 + index }));
        expect(problemsOf(list)).toEqual([taken(2, "iris", 0), taken(3, "wine", 1), taken(4, "iris", 0)]);
        // By what they are, not by how they are written.
        expect(
            problemsOf([
                { ...least, name: 7 },
                { ...least, name: "7" },
            ]),
        ).toEqual([taken(1, "7", 0)]);
    });

    it("has no names compared where an entry has a problem of its own", () => {
        const list = [{ ...least, port: 0 }, least, { port: 5101 }, { port: 5102 }];
        expect(problemsOf(list)).toEqual([
            'modelServers[0].port: "0" is not a whole number from 1 to 65535',
            "modelServers[2].name: has to be set",
            "modelServers[3].name: has to be set",
        ]);
    });

    it("may serve one model twice, from two aliases", () => {
        const twice = [
            { name: "iris", port: 5100 },
            { name: "iris-next", port: 5101, model: "iris", alias: "next" },
        ];
        expect(problemsOf(twice)).toEqual([]);
    });

    it("has all its problems told at once: unknown fields of an entry, its fields in their order, then names", () => {
        const list = [
            { prot: 5100, memory: "much", name: "Iris" },
            "wine",
            { name: "wine", port: 5102 },
            { name: "iris", port: 0, promote: "never", cpus: "two" },
            { name: "wine", port: 5103 },
        ];
        const places = problemsOf(list).map((problem) => problem.split(": ")[0]);
        expect(places).toEqual([
            "modelServers[0].prot",
            "modelServers[0].name",
            "modelServers[0].port",
            "modelServers[0].memory",
            "modelServers[1]",
            "modelServers[3].port",
            "modelServers[3].cpus",
            "modelServers[3].promote",
            "modelServers[4].name",
        ]);
    });

    it("tells them in one text as well", () => {
        const error = new Problems(["a: is wrong", "b: is wrong, too"]);
        expect(error).toBeInstanceOf(Error);
        expect(error.message).toBe("a: is wrong; b: is wrong, too");
        expect(error.list).toEqual(["a: is wrong", "b: is wrong, too"]);
    });

    it("is taken or refused in words, whatever it holds, and what is taken is within bounds", () => {
        const value = fc.oneof(
            fc.constantFrom<unknown>("iris", 5100, "5101", "0 * * * *", "auto", 0.5, 512, null),
            fc.jsonValue({ maxDepth: 1 }),
        );
        const entry = fc.oneof(
            { weight: 9, arbitrary: fc.dictionary(fc.constantFrom<string>(...names, "other"), value, { maxKeys: 8 }) },
            { weight: 1, arbitrary: fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.nat())) },
            { weight: 5, arbitrary: fc.record({ name: fc.constantFrom("iris", "wine"), port: fc.nat(70000) }) },
        );
        fc.assert(
            fc.property(fc.array(entry, { maxLength: 4 }), (list) => {
                const problems = problemsOf(list);
                if (problems.length > 0) {
                    for (const problem of problems) {
                        expect(problem).toMatch(/^modelServers\[\d\](\.\w+)?: ./);
                    }
                    return;
                }
                const models = parseServedModels(JSON.stringify(list));
                expect(models).toHaveLength(list.length);
                expect(new Set(models.map(({ name }) => name)).size).toBe(models.length);
                for (const model of models) {
                    expect(model.model).toBeTypeOf("string");
                    expect(model.port).toBeGreaterThan(0);
                    expect(model.port).toBeLessThan(65536);
                    expect(model.recordSampleRate).toBeLessThanOrEqual(1);
                }
            }),
            { numRuns: 500 },
        );
    });
});
