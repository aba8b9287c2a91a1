/** What is found out before an update changes anything: whose objects are on the engine, what is left over, the configuration. */
import { hostname } from "node:os";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Deployment, Stack } from "@pulumi/pulumi/automation/index.js";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
    type EngineObject,
    objectsOf,
    adoptedVolumes,
    incomplete,
    originOf,
    outputsOf,
    pendingOf,
    removeObjects,
    resourcesOf,
    sortObjects,
    withoutPending,
} from "../../../operations/engineObjects.ts";
import { configurationOf, foreignObjects, settleObjects } from "../../../operations/stackCheck.ts";
import { UserError } from "../../../operations/userError.ts";
import { Commands } from "../support/commands.ts";

let commands: Commands;
beforeEach(() => {
    commands = new Commands();
});
afterEach(() => {
    commands.remove();
});

const object = (kind: EngineObject["kind"], name: string, origin: string): EngineObject => ({
    kind,
    id: kind === "volume" ? name : `${name}'s id`,
    name,
    origin,
});
const mine = "ana@laptop-1";
const theirs = "bob@desk-2";
const randomId = (name: string, hex: string) => ({
    type: "random:index/randomId:RandomId",
    urn: `urn:pulumi:dev::mlflow-platform::x$random:index/randomId:RandomId::${name}`,
    id: "x",
    outputs: { hex },
});
const originResource = randomId("origin", mine);
const stateOf = (...objects: EngineObject[]) => [
    { type: "pulumi:pulumi:Stack" },
    originResource,
    ...objects.map(({ id }) => ({ type: "docker:index/container:Container", id })),
];

describe("the origin of a state", () => {
    it("is the random id's text", () => {
        expect(originOf(stateOf())).toBe(mine);
    });
    it("is that of no other random id, such as a key pair's, wherever that stands", () => {
        const others = [randomId("authority", theirs), randomId("minio-certificate-origin", theirs)];
        expect(originOf([...others, originResource])).toBe(mine);
        expect(originOf([originResource, ...others])).toBe(mine);
        expect(originOf(others)).toBeUndefined();
    });
    it("is none before the first update", () => {
        expect(originOf([])).toBeUndefined();
        expect(
            originOf([{ type: "random:index/randomPassword:RandomPassword", outputs: { hex: "x" } }]),
        ).toBeUndefined();
    });
    it("is looked for in the resources of an exported state, if it has any", () => {
        const deployment = { version: 3, deployment: { resources: stateOf() } };
        expect(originOf(resourcesOf(deployment))).toBe(mine);
        expect(resourcesOf({ version: 3, deployment: {} })).toEqual([]);
        expect(resourcesOf({ version: 3 } as Deployment)).toEqual([]);
    });
});

describe("what is on the engine", () => {
    const container = object("container", "postgres", mine);
    const network = object("network", "backend", mine);
    const volume = object("volume", "postgres_data", mine);

    it.each<[string, EngineObject[], ReturnType<typeof stateOf>, { foreign: EngineObject[]; orphans: EngineObject[] }]>(
        [
            ["nothing", [], stateOf(), { foreign: [], orphans: [] }],
            [
                "what this state has",
                [container, network, volume],
                stateOf(container, network, volume),
                { foreign: [], orphans: [] },
            ],
            [
                "a container and a network that an interrupted update left; a volume is taken over with its data",
                [container, network, volume],
                stateOf(),
                { foreign: [], orphans: [container, network] },
            ],
            [
                "another state's",
                [object("container", "postgres", theirs), object("volume", "postgres_data", theirs)],
                stateOf(),
                {
                    foreign: [object("container", "postgres", theirs), object("volume", "postgres_data", theirs)],
                    orphans: [],
                },
            ],
            [
                "of an unknown origin",
                [object("network", "backend", "")],
                stateOf(),
                { foreign: [object("network", "backend", "")], orphans: [] },
            ],
            [
                "what this state has, whatever its label says",
                [object("volume", "old_data", theirs)],
                stateOf(object("volume", "old_data", theirs)),
                { foreign: [], orphans: [] },
            ],
            [
                "one container of this state and one with the same name that is not in it",
                [container, { ...container, id: "another id" }],
                stateOf(container),
                { foreign: [], orphans: [{ ...container, id: "another id" }] },
            ],
        ],
    )("%s", (_words, objects, state, expected) => {
        expect(sortObjects(objects, state)).toEqual(expected);
    });

    it("is all another's before this state's first update", () => {
        const all = [container, network, volume, object("volume", "x", "")];
        expect(sortObjects(all, [])).toEqual({ foreign: all, orphans: [] });
    });
});

describe("the engine", () => {
    const filters = "--filter label=mlflow-platform.project=mlflow-platform --filter label=mlflow-platform.stack=dev";
    const label = '{{.Label "mlflow-platform.origin"}}';

    it("is asked for containers, networks and volumes with the stack's labels, stopped ones too", async () => {
        commands.add("docker", {
            "ps ": `c1\tmlflow-platform-dev-minio\t${mine}\nc2\tmlflow-platform-dev-seed\t\n`,
            "network ls": `n1\tmlflow-platform-dev-backend\t${mine}\n`,
            "volume ls": "",
        });
        expect(await objectsOf("dev", commands.variables)).toEqual([
            { kind: "container", id: "c1", name: "mlflow-platform-dev-minio", origin: mine },
            { kind: "container", id: "c2", name: "mlflow-platform-dev-seed", origin: "" },
            { kind: "network", id: "n1", name: "mlflow-platform-dev-backend", origin: mine },
        ]);
        expect(commands.calls()).toEqual([
            `ps --all --no-trunc ${filters} --format {{.ID}}\t{{.Names}}\t${label}`,
            `network ls --no-trunc ${filters} --format {{.ID}}\t{{.Name}}\t${label}`,
            `volume ls ${filters} --format {{.Name}}\t{{.Name}}\t${label}`,
        ]);
    });

    it("loses containers before networks, and never a volume", async () => {
        commands.add("docker", {
            "rm --force": "",
            "network inspect": "one two ",
            "network disconnect": "",
            "network rm": "",
        });
        await removeObjects(
            [
                object("network", "n", mine),
                object("volume", "v", mine),
                object("container", "a", mine),
                object("container", "b", mine),
            ],
            commands.variables,
        );
        // Whoever is still in it is put out first.
        expect(commands.calls()).toEqual([
            "rm --force a's id b's id",
            "network inspect --format {{range .Containers}}{{.Name}} {{end}} n's id",
            "network disconnect --force n's id one",
            "network disconnect --force n's id two",
            "network rm n's id",
        ]);
    });

    it("is not asked to remove nothing", async () => {
        commands.add("docker", {});
        await removeObjects([object("volume", "v", mine)], commands.variables);
        expect(commands.calls()).toEqual([]);
    });
});

describe("another state's objects", () => {
    it("are named with their origin, and both ways out", () => {
        const error = foreignObjects("dev", [
            object("container", "mlflow-platform-dev-minio", theirs),
            object("container", "mlflow-platform-dev-postgres", theirs),
            object("network", "mlflow-platform-dev-backend", theirs),
            object("volume", "mlflow-platform-dev-minio_data", ""),
        ]);
        expect(error).toBeInstanceOf(UserError);
        expect(error.message).toBe(
            `The engine has objects of stack "dev" that this state did not make (label origin):
  container mlflow-platform-dev-minio  from bob@desk-2
  container mlflow-platform-dev-postgres  from bob@desk-2
  network mlflow-platform-dev-backend  from bob@desk-2
  volume mlflow-platform-dev-minio_data  from an unknown origin`,
        );
        expect(error.cure).toBe(
            `Go on with the state they come from (its user, its XDG_STATE_HOME or PULUMI_BACKEND_URL), or use another name:
  npm start -- --stack <name>
Or remove them; with the volumes their data is gone for good:
  docker rm --force mlflow-platform-dev-minio mlflow-platform-dev-postgres
  docker network rm mlflow-platform-dev-backend
  docker volume rm mlflow-platform-dev-minio_data`,
        );
    });

    it("have no command for a kind that is not among them", () => {
        expect(
            foreignObjects("dev", [object("volume", "v", theirs)])
                .cure.split("\n")
                .slice(3),
        ).toEqual(["  docker volume rm v"]);
    });
});

describe("the operations that an interrupted update was at", () => {
    const urn = (type: string, name: string) => `urn:pulumi:dev::mlflow-platform::a:b:C$${type}::${name}`;
    const deployment = (pending: unknown, resources: unknown[] = stateOf()): Deployment => ({
        version: 3,
        deployment: { manifest: { time: "now" }, resources, pending_operations: pending },
    });

    it.each<[string, Deployment, string[]]>([
        ["none", deployment([]), []],
        ["none, as some versions write it", deployment(null), []],
        ["none, as others do", deployment(undefined), []],
        ["none, of a stack without a state", { version: 3 } as Deployment, []],
        [
            "two",
            deployment([
                { type: "creating", resource: { urn: urn("docker:index/container:Container", "minio") } },
                { type: "deleting", resource: { urn: urn("docker:index/network:Network", "backend") } },
            ]),
            ["creating minio", "deleting backend"],
        ],
    ])("are %s", (_words, state, words) => {
        expect(pendingOf(state)).toEqual(words);
    });

    it("are all that is missing without them", () => {
        const state = deployment([{ type: "creating", resource: { urn: urn("x", "minio") } }]);
        const without = withoutPending(state);
        expect(without).toEqual(deployment([]));
        expect(pendingOf(without)).toEqual([]);
        // What was exported is as it was.
        expect(pendingOf(state)).toEqual(["creating minio"]);
    });
});

describe("what was not made to the end", () => {
    const container = (urn: string | undefined, initErrors?: string[] | null) => ({
        type: "docker:index/container:Container",
        ...(urn === undefined ? {} : { urn }),
        ...(initErrors === undefined ? {} : { initErrors }),
    });

    it.each<[string, Parameters<typeof incomplete>[0], string[]]>([
        ["nothing of an empty state", [], []],
        ["nothing that ended well", [container("a"), container("b", null), container("c", [])], []],
        [
            "all whose creation ended in an error, in their order",
            [container("b", ["not healthy"]), container("a"), container("c", ["no files", "no start"])],
            ["b", "c"],
        ],
        ["nothing without a name", [container(undefined, ["x"])], []],
    ])("is %s", (_words, resources, urns) => {
        expect(incomplete(resources)).toEqual(urns);
    });
});

describe("the outputs in a state", () => {
    it.each<[string, Parameters<typeof outputsOf>[0], object]>([
        [
            "are the stack's",
            [originResource, { type: "pulumi:pulumi:Stack", outputs: { jobs: { a: 1 } } }],
            { jobs: { a: 1 } },
        ],
        ["are none before the first update", [], {}],
        ["are none where an update got to none", [{ type: "pulumi:pulumi:Stack" }], {}],
    ])("%s", (_words, resources, outputs) => {
        expect(outputsOf(resources)).toEqual(outputs);
    });
});

describe("settling what an interrupted update left", () => {
    const creating = [{ type: "creating", resource: { urn: "urn:pulumi:dev::mlflow-platform::x::minio" } }];
    /** A stack with that state; `done` has what was asked of it, in order. */
    const stackWith = (resources: unknown[], pending?: unknown[]) => {
        const done: unknown[] = [];
        const stack = {
            name: "dev",
            exportStack: () => {
                done.push("export");
                return Promise.resolve({ version: 3, deployment: { resources, pending_operations: pending } });
            },
            importStack: (state: Deployment) => {
                done.push(state);
                return Promise.resolve();
            },
            cancel: () => {
                done.push("cancel");
                return Promise.resolve();
            },
        } as unknown as Stack;
        return { stack, done };
    };
    const settle = async (stack: Stack, ownOnly?: boolean, backend = "s3://bucket") => {
        const said: string[] = [];
        await settleObjects(
            stack,
            commands.places,
            { ...commands.variables, PULUMI_BACKEND_URL: backend },
            (line) => said.push(line),
            ownOnly,
        );
        return said;
    };
    const lists = (containers: string, networks = "", volumes = "") => ({
        "ps ": containers,
        "network ls": networks,
        "volume ls": volumes,
    });

    it("stops at another state's objects before anything is removed or forgotten", async () => {
        commands.add("docker", lists(`c1\tmine\t${mine}\nc2\ttheirs\t${theirs}\n`));
        const { stack, done } = stackWith(stateOf(), creating);
        await expect(settle(stack)).rejects.toThrow(
            'The engine has objects of stack "dev" that this state did not make (label origin):\n  container theirs  from bob@desk-2',
        );
        expect(commands.calls()).toHaveLength(3);
        expect(done).toEqual(["export"]);
    });

    it("leaves another state's objects alone where it is only to see to its own", async () => {
        commands.add("docker", { ...lists(`c1\tmine\t${mine}\nc2\ttheirs\t${theirs}\n`), "rm --force": "" });
        const { stack } = stackWith(stateOf());
        expect(await settle(stack, true)).toEqual(["removing what an interrupted update left: mine"]);
        expect(commands.calls().slice(3)).toEqual(["rm --force c1"]);
    });

    it("removes containers and networks of this state that it does not know, and says so", async () => {
        commands.add("docker", {
            ...lists(`c1\tlost\t${mine}\n`, `n1\tnet\t${mine}\n`, `v1\tv1\t${mine}\n`),
            "rm --force": "",
            "network inspect": "",
            "network rm": "",
        });
        const { stack, done } = stackWith(stateOf());
        expect(await settle(stack)).toEqual(["removing what an interrupted update left: lost, net"]);
        expect(commands.calls().slice(3)).toEqual([
            "rm --force c1",
            "network inspect --format {{range .Containers}}{{.Name}} {{end}} n1",
            "network rm n1",
        ]);
        expect(done).toEqual(["export"]);
    });

    it("leaves this state's own where they are", async () => {
        commands.add("docker", lists(`c1\tmine\t${mine}\n`));
        const { stack, done } = stackWith([originResource, { type: "docker:index/container:Container", id: "c1" }]);
        expect(await settle(stack)).toEqual([]);
        expect(commands.calls()).toHaveLength(3);
        expect(done).toEqual(["export"]);
    });

    it("clears what was under way from the state, and nothing else of it", async () => {
        commands.add("docker", lists(""));
        const { stack, done } = stackWith(stateOf(), creating);
        expect(await settle(stack)).toEqual(["clearing what was interrupted from the state: creating minio"]);
        expect(done).toEqual(["export", { version: 3, deployment: { resources: stateOf(), pending_operations: [] } }]);
    });

    it("does all of it, in an order in which nothing more is made and nothing that is being made is removed", async () => {
        commands.add("docker", { ...lists(`c1\tlost\t${mine}\n`), "rm --force": "" });
        const locks = join(commands.places.backend, ".pulumi/locks/organization/mlflow-platform/dev");
        mkdirSync(locks, { recursive: true });
        // A process that was somebody's and is nobody's now.
        const { pid } = spawnSync(process.execPath, ["--version"]);
        writeFileSync(join(locks, "a.json"), JSON.stringify({ pid, hostname: hostname() }));
        const { stack, done } = stackWith(stateOf(), creating);
        expect(await settle(stack, false, `file://${commands.places.backend}`)).toEqual([
            `removing the lock of an update that was killed: process ${pid} of somebody on this host`,
            "removing what an interrupted update left: lost",
            "clearing what was interrupted from the state: creating minio",
        ]);
        expect(done.slice(0, 2)).toEqual(["cancel", "export"]);
        expect(done).toHaveLength(3);
    });

    it("stops at an update that runs, before anything is removed", async () => {
        commands.add("docker", lists(`c1\tnew\t${mine}\n`));
        const locks = join(commands.places.backend, ".pulumi/locks/organization/mlflow-platform/dev");
        mkdirSync(locks, { recursive: true });
        writeFileSync(join(locks, "a.json"), JSON.stringify({ pid: process.pid, hostname: hostname() }));
        const { stack, done } = stackWith(stateOf(), creating);
        await expect(settle(stack, false, `file://${commands.places.backend}`)).rejects.toThrow(
            expect.objectContaining({
                name: "UserError",
                message: `Another update of stack dev is under way: process ${process.pid} of somebody on this host.`,
                cure:
                    `Wait until it has ended. If that process is no update (ps -p ${process.pid}), take its lock away:\n` +
                    "  npm run pulumi -- cancel --stack dev",
            }),
        );
        expect(done).toEqual([]);
        expect(commands.calls()).toHaveLength(3);
    });
});

describe("a stack's configuration, before the program runs", () => {
    beforeEach(() => {
        vi.stubEnv("PATH", commands.variables.PATH);
    });
    afterEach(() => {
        vi.unstubAllEnvs();
    });
    const stackWith = (
        config: Record<string, { value: string; secret?: boolean }>,
        outputs: Record<string, unknown> = {},
        name = "prod",
    ) =>
        ({
            name,
            getAllConfig: () => Promise.resolve(config),
            exportStack: () =>
                Promise.resolve({
                    version: 3,
                    deployment: { resources: [{ type: "pulumi:pulumi:Stack", outputs }, originResource] },
                }),
        }) as unknown as Stack;
    const elsewhere = { DOCKER_HOST: "ssh://elsewhere" };
    const volumeOf = (stack: string) =>
        JSON.stringify({ "mlflow-platform.project": "mlflow-platform", "mlflow-platform.stack": stack });

    it("is read as the program reads it", async () => {
        const configuration = await configurationOf(
            stackWith({
                "mlflow-platform:mlflowPort": { value: "5001" },
                "mlflow-platform:pgPassword": { value: "hunter2", secret: true },
                "docker:host": { value: "ssh://elsewhere" },
            }),
            { MLFLOW_PLATFORM_BASE_IMAGE: "debian:13" },
        );
        expect(configuration).toMatchObject({ mlflowPort: 5001, pgPassword: "hunter2", baseImage: "debian:13" });
    });

    it("is read of a stack that has no state yet", async () => {
        const stack = {
            name: "new",
            getAllConfig: () => Promise.resolve({}),
            exportStack: () => Promise.resolve({ version: 3, deployment: {} }),
        } as unknown as Stack;
        expect((await configurationOf(stack, elsewhere)).mlflowPort).toBe(5000);
    });

    it("is refused with every problem, whoever knows it, and a command", async () => {
        const name = "s".repeat(39);
        commands.add("docker", { "--host ssh://elsewhere volume inspect": volumeOf("dev") });
        await expect(
            configurationOf(
                stackWith(
                    {
                        "mlflow-platform:mlflowPort": { value: "x" },
                        "mlflow-platform:pgPassword": { value: "hunter2" },
                        "mlflow-platform:minioVolumeName": { value: "data" },
                    },
                    { dataPlaces: { minioVolumeName: "data", pgDatabase: "old" }, jobs: {} },
                    name,
                ),
                elsewhere,
            ),
        ).rejects.toThrow(
            expect.objectContaining({
                name: "UserError",
                message:
                    `the configuration of stack "${name}" has 5 problems:\n` +
                    `  stack name: "${name}" has 39 characters, and its containers' names would be too long for DNS: use one ` +
                    "of at most 38 (pulumi stack rename)\n" +
                    '  mlflowPort: "x" is not a whole number from 1 to 65535\n' +
                    "  pgPassword: is a secret but stands in plain text in the stack's file: pulumi config set --secret pgPassword\n" +
                    "  pgDatabase: this stack's experiments are in database old of the PostgreSQL that runs here and would stay " +
                    "there, out of its sight: pulumi config set pgDatabase old, or use another stack for other data (npm run " +
                    `delete-data -- ${name} first, where nothing of it is needed)\n` +
                    "  minioVolumeName: volume data holds the data of stack dev: set another volume's name",
                cure: `Set what it says, with npm run pulumi -- config … --stack ${name}, and run this again.`,
            }),
        );
    });

    it.each<[string, Record<string, { value: string }>, Record<string, string>, string]>([
        ["the variables'", {}, elsewhere, "--host ssh://elsewhere "],
        [
            "the Docker provider's, where that has one",
            { "docker:host": { value: "ssh://there" } },
            {},
            "--host ssh://there ",
        ],
        ["the default one, where none is named", {}, {}, "--context default "],
    ])("asks the engine: %s", async (_words, config, variables, host) => {
        const inspect = `${host}volume inspect --format {{json .Labels}} data`;
        commands.add("docker", { [inspect]: volumeOf("prod") });
        await configurationOf(
            stackWith({ ...config, "mlflow-platform:minioVolumeName": { value: "data" } }),
            variables,
        );
        expect(commands.calls().filter((call) => !/ps --quiet$| info /.test(call))).toEqual([inspect]);
    });

    it("is refused where it names one engine and DOCKER_HOST another", async () => {
        await expect(
            configurationOf(stackWith({ "docker:host": { value: "ssh://there" } }), elsewhere),
        ).rejects.toThrow(
            "Stack prod is on the engine ssh://there (docker:host in its configuration), and DOCKER_HOST says ssh://elsewhere.",
        );
    });
});

describe("a volume that this state has", () => {
    it("is adopted where its label says that another state made it, and not where it is its own or nobody's", () => {
        const own = object("volume", "minio_data", mine);
        const other = object("volume", "postgres_data", theirs);
        const network = object("network", "backend", theirs);
        expect(adoptedVolumes([own, other, network], stateOf(own, other, network))).toEqual([other]);
        expect(adoptedVolumes([other], stateOf())).toEqual([]);
    });
});
