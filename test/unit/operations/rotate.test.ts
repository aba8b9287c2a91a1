/** Other values for generated credentials: which resource holds the value of which key, and what is done with it. */
import { join } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { generatedKeys, keys } from "../../../config.ts";
import type { Step } from "../../../operations/progress.ts";
import { resourceName } from "../../../operations/rotate.ts";
import { cliRoot } from "../../../operations/workspace.ts";
import { Commands } from "../support/commands.ts";
import { engineElsewhere, inDirectoryOfItsOwn, platform } from "../support/platform.ts";

/** Configuration of stacks whose services are somebody else's. */
const externalDatabase = { pgHost: "db.example.com", pgPassword: "hunter2" };
const externalStore = { minioHost: "s3.example.com", minioAccessKey: "somebody", minioSecretAccessKey: "long enough" };

describe("the resource of a generated value", () => {
    inDirectoryOfItsOwn();

    it.each([
        ["pgPassword", "pg-password"],
        ["pgOwnerPassword", "pg-owner-password"],
        ["minioRootUser", "minio-root-user"],
        ["minioSecretAccessKey", "minio-secret-access-key"],
        ["adminPassword", "admin-password"],
        ["pgAuthPassword", "pg-auth-password"],
        ["modelServerKey", "model-server-key"],
    ])("of %s is %s", (key, name) => {
        expect(resourceName(key)).toBe(name);
    });

    it.each<[string, Record<string, string>]>([
        ["all that can run here", {}],
        ["nobody who logs in", { mlflowAuth: "false" }],
        ["database and store elsewhere", { ...externalDatabase, ...externalStore }],
    ])(
        "is in the program for every key that can be rotated, and beside them for MLflow's passphrase and forms alone: %s",
        async (_words, values) => {
            const { registrations } = await platform(values);
            const names = registrations
                .filter(({ type }) => type === "random:index/randomPassword:RandomPassword")
                .map(({ name }) => name);
            const others = ["mlflow-flask-secret-key", "mlflow-kek-passphrase"];
            expect(names.sort()).toEqual([...generatedKeys.map(resourceName), ...others].sort());
        },
    );
});

describe("rotating", () => {
    type Rotate = typeof import("../../../operations/rotate.ts");
    let rotateOf: Rotate["rotate"];
    /** What `openExisting` gives. */
    let opened: { stack: Stack; variables: Record<string, string> };
    /** Titles and results of the steps. */
    let steps: string[];
    // Another query is another module: one whose stack and steps are played. The others keep what they have imported.
    beforeAll(async () => {
        vi.doMock("../../../operations/stop.ts", () => ({
            openExisting: (...args: unknown[]) => {
                steps.push(`open ${String(args[0])}`);
                return Promise.resolve(opened);
            },
        }));
        vi.doMock("../../../operations/progress.ts", async (original) => ({
            ...(await original<object>()),
            runSteps: async (some: readonly Step[]) => {
                for (const { title, run } of some) {
                    steps.push(`${title}: ${String(await run((line) => steps.push(line)))}`);
                }
            },
        }));
        const played = "../../../operations/rotate.ts?played";
        rotateOf = ((await import(/* @vite-ignore */ played)) as Rotate).rotate;
    });
    afterAll(() => {
        vi.doUnmock("../../../operations/stop.ts");
        vi.doUnmock("../../../operations/progress.ts");
    });

    let commands: Commands;
    let said: string[];
    /** What had been called when each update ran. */
    let updates: unknown[];
    beforeEach(() => {
        commands = new Commands();
        said = [];
        steps = [];
        updates = [];
        vi.spyOn(console, "log").mockImplementation((line) => said.push(String(line)));
    });
    afterEach(() => {
        commands.remove();
        vi.restoreAllMocks();
    });

    const urn = (type: string, name: string) => `urn:pulumi:prod::mlflow-platform::${type}::${name}`;
    const password = "random:index/randomPassword:RandomPassword";
    const resource = (type: string, name: string) => ({ type, urn: urn(`x$${type}`, name) });
    const generated = [...generatedKeys.map(resourceName), "mlflow-kek-passphrase"];
    const everything = [
        { type: "pulumi:pulumi:Stack" },
        ...generated.flatMap((name) => [
            resource("mlflow-platform:index:GeneratedSecret", name),
            resource(password, name),
        ]),
        // Names that end alike, of this kind and of others.
        resource(password, "other-pg-password"),
        resource("docker:index/volume:Volume", "pg-password"),
    ];
    const pulumi = () => join(cliRoot(commands.places), "bin/pulumi");
    const marked = (...names: string[]) =>
        ["unprotect", "taint"].map(
            (mark) => `state ${mark} --yes --stack prod ${names.map((name) => urn(`x$${password}`, name)).join(" ")}`,
        );

    /** Rotates keys of a stack with this configuration and state, whose update does that. */
    const rotate = (
        some: readonly string[],
        configuration: Record<string, string> = {},
        resources: unknown[] = everything,
        up: () => void = () => undefined,
    ) => {
        const stack = {
            name: "prod",
            getAllConfig: () =>
                Promise.resolve(
                    Object.fromEntries(
                        Object.entries(configuration).map(([name, value]) => [
                            `mlflow-platform:${name}`,
                            { value, secret: "secret" in keys[name as keyof typeof keys] },
                        ]),
                    ),
                ),
            exportStack: () => Promise.resolve({ version: 3, deployment: { resources } }),
            up: () => {
                updates.push(commands.calls());
                up();
                return Promise.resolve({ outputs: {} });
            },
        } as unknown as Stack;
        opened = { stack, variables: { ...commands.variables, DOCKER_HOST: engineElsewhere } };
        return rotateOf(some, "prod", commands.places, {});
    };
    const nothingDone = () => {
        expect([steps, commands.calls(), updates, said]).toEqual([["open prod"], [], [], []]);
    };

    it.each<[string, readonly string[], Record<string, string>, string[]]>([
        ["one value", ["pgPassword"], {}, ["pg-password"]],
        ["several, in the state's order", ["pgPassword", "minioRootUser"], {}, ["pg-password", "minio-root-user"]],
        [
            "all of them",
            generatedKeys,
            {},
            [
                "minio-access-key",
                "minio-secret-access-key",
                "pg-password",
                "minio-root-user",
                "minio-root-password",
                "admin-password",
                "pg-owner-password",
                "pg-auth-password",
                "model-server-key",
            ],
        ],
        ["one that is named twice", ["pgPassword", "pgPassword"], {}, ["pg-password"]],
        ["the administrator's", ["adminPassword"], {}, ["admin-password"]],
        ["that of model servers, used or not", ["modelServerKey"], { mlflowAuth: "false" }, ["model-server-key"]],
        [
            "the role of the users' tables, of a login that is off",
            ["pgAuthPassword"],
            { mlflowAuth: "false" },
            ["pg-auth-password"],
        ],
        ["the administrator's beside a database elsewhere", ["adminPassword"], externalDatabase, ["admin-password"]],
        ["one beside another that is set", ["pgOwnerPassword"], { pgPassword: "hunter2" }, ["pg-owner-password"]],
        ["MinIO's beside a database elsewhere", ["minioRootUser"], externalDatabase, ["minio-root-user"]],
        ["PostgreSQL's beside a store elsewhere", ["pgOwnerPassword"], externalStore, ["pg-owner-password"]],
    ])("makes %s anew: without protection for this one update", async (_words, some, configuration, names) => {
        commands.add(pulumi(), { "state unprotect": "", "state taint": "" });
        await rotate(some, configuration);
        const inOrder = generated.filter((name) => names.includes(name));
        expect(updates).toEqual([marked(...inOrder)]);
        expect(commands.calls()).toEqual(marked(...inOrder));
        expect(steps).toEqual([
            "open prod",
            "comparing what is there with what is wanted",
            `New ${some.join(", ")} for stack prod: nothing to change`,
        ]);
        expect(said).toEqual([
            "The earlier values no longer work. npm run --silent pulumi -- stack output --show-secrets --stack prod " +
                "shows what users need of the new ones.",
        ]);
    });

    it.each<[readonly string[], Record<string, string>, string[]]>([
        [["pgPassword"], { pgPassword: "hunter2" }, ["pgPassword"]],
        [["minioRootUser", "pgPassword"], { minioRootUser: "admin" }, ["minioRootUser"]],
        [["pgPassword", "minioAccessKey"], { ...externalDatabase, ...externalStore }, ["pgPassword", "minioAccessKey"]],
        [
            ["pgOwnerPassword"],
            { ...externalDatabase, pgOwnerUser: "chief", pgOwnerPassword: "hunter3" },
            ["pgOwnerPassword"],
        ],
        // What is set comes first; the rest is for another time.
        [["minioRootUser", "minioAccessKey"], externalStore, ["minioAccessKey"]],
    ])("refuses %j with %j: what is set is not generated", async (some, configuration, set) => {
        await expect(rotate(some, configuration)).rejects.toThrow(
            expect.objectContaining({
                name: "UserError",
                message: `Set in the configuration of stack prod, so not generated: ${set.join(", ")}.`,
                cure: [
                    ...set.map((key) => `npm run pulumi -- config set --secret ${key} --stack prod`),
                    "npm start applies it.",
                ].join("\n"),
            }),
        );
        nothingDone();
    });

    it.each<[readonly string[], Record<string, string>, string[]]>([
        [["minioRootUser"], externalStore, ["minioRootUser"]],
        [["minioRootPassword", "pgPassword"], externalStore, ["minioRootPassword"]],
        [["pgOwnerPassword"], externalDatabase, ["pgOwnerPassword"]],
        [["pgAuthPassword", "adminPassword"], externalDatabase, ["pgAuthPassword"]],
        [["adminPassword", "pgOwnerPassword"], { mlflowAuth: "false" }, ["adminPassword"]],
        [
            ["minioRootUser", "minioRootPassword", "pgOwnerPassword", "pgAuthPassword", "adminPassword"],
            { ...externalDatabase, ...externalStore, mlflowAuth: "false" },
            ["minioRootUser", "minioRootPassword", "pgOwnerPassword", "pgAuthPassword", "adminPassword"],
        ],
    ])("refuses %j with %j: nobody would use it", async (some, configuration, unused) => {
        await expect(rotate(some, configuration)).rejects.toThrow(
            expect.objectContaining({
                name: "UserError",
                message: `Not used in stack prod: ${unused.join(", ")}.`,
                cure:
                    "Credentials of services that are somebody else's are changed there and then set in the configuration; an " +
                    "administrator is there with login (mlflowAuth).",
            }),
        );
        nothingDone();
    });

    it("lists what there is without a key, and changes nothing", async () => {
        await rotate([], { ...externalDatabase, mlflowAuth: "false" });
        const rows = said.join("\n").split("\n");
        expect(rows).toContain("pgPassword            set in the configuration, so it is changed there");
        expect(rows).toContain("pgOwnerPassword       not used in this stack");
        expect(rows).toContain("adminPassword         not used in this stack");
        expect(rows).toContain("minioRootUser         generated");
        expect(rows.at(-1)).toBe("npm run rotate -- <keys…> --stack prod");
        expect([steps, commands.calls(), updates]).toEqual([["open prod"], [], []]);
    });

    it("refuses a configuration with a problem, as every update does", async () => {
        await expect(rotate(["pgPassword"], { mlflowPort: "x" })).rejects.toThrow(
            'the configuration of stack "prod" has a problem:\n  mlflowPort: "x" is not a whole number from 1 to 65535',
        );
        nothingDone();
    });

    it.each<[string, unknown[]]>([
        ["has no state yet", []],
        ["has not come to one of them", everything],
        ["has another's of that name only", [resource("docker:index/volume:Volume", "pg-password")]],
    ])("refuses what is not generated yet, in a stack that %s", async (_words, resources) => {
        const without = resources.filter((some) => !JSON.stringify(some).includes('::pg-owner-password"'));
        await expect(rotate(["pgPassword", "pgOwnerPassword"], {}, without)).rejects.toThrow(
            expect.objectContaining({
                name: "UserError",
                message: "Stack prod has not generated pgPassword, pgOwnerPassword yet.",
                cure: "npm start -- --stack prod makes what is missing.",
            }),
        );
        nothingDone();
    });

    it("updates nothing where the protection stays", async () => {
        commands.add(pulumi(), {});
        await expect(rotate(["pgPassword"])).rejects.toThrow("unexpected: state unprotect");
        expect([updates, said]).toEqual([[], []]);
    });

    it("does not say that it is done where the update failed", async () => {
        commands.add(pulumi(), {
            "state unprotect": "",
            "state taint": "",
            "stack export": JSON.stringify({ version: 3, deployment: {} }),
        });
        commands.add("docker", { "ps ": "" });
        await expect(
            rotate(["pgPassword"], {}, everything, () => {
                throw new Error("no luck");
            }),
        ).rejects.toThrow(expect.objectContaining({ name: "UserError", message: "pulumi up failed:\nError: no luck" }));
        expect(updates).toHaveLength(1);
        expect(said).toEqual([]);
    });
});
