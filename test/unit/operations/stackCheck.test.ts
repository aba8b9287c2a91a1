/** What is found out before an update changes anything: whose objects are on the engine, the configuration, the ports. */
import { createServer } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Deployment, Stack } from "@pulumi/pulumi/automation/index.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseConfiguration } from "../../../config.ts";
import {
    type EngineObject,
    objectsOf,
    adoptedVolumes,
    originOf,
    removeObjects,
    resourcesOf,
    sortObjects,
} from "../../../operations/engineObjects.ts";
import { checkPorts, configurationOf, foreignObjects, settleObjects } from "../../../operations/stackCheck.ts";
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
const originResource = { type: "random:index/randomId:RandomId", id: "x", outputs: { hex: mine } };
const stateOf = (...objects: EngineObject[]) => [
    { type: "pulumi:pulumi:Stack" },
    originResource,
    ...objects.map(({ id }) => ({ type: "docker:index/container:Container", id })),
];

describe("the origin of a state", () => {
    it("is the random id's text", () => {
        expect(originOf(stateOf())).toBe(mine);
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
        commands.add("docker", { "rm --force": "", "network rm": "" });
        await removeObjects(
            [
                object("network", "n", mine),
                object("volume", "v", mine),
                object("container", "a", mine),
                object("container", "b", mine),
            ],
            commands.variables,
        );
        expect(commands.calls()).toEqual(["rm --force a's id b's id", "network rm n's id"]);
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

    const stackWith = (resources: unknown[]) =>
        ({
            name: "dev",
            exportStack: () => Promise.resolve({ version: 3, deployment: { resources } }),
        }) as unknown as Stack;

    it("stop an update before anything is removed", async () => {
        commands.add("docker", {
            "ps ": `c1\tmine\t${mine}\nc2\ttheirs\t${theirs}\n`,
            "network ls": "",
            "volume ls": "",
        });
        await expect(settleObjects(stackWith(stateOf()), commands.variables, () => undefined)).rejects.toThrow(
            'The engine has objects of stack "dev" that this state did not make (label origin):\n  container theirs  from bob@desk-2',
        );
        expect(commands.calls().filter((call) => /^(network |volume )?rm /.test(call))).toEqual([]);
    });

    it("are not those that an interrupted update of this state left: they are removed, and it is said", async () => {
        commands.add("docker", {
            "ps ": `c1\tlost\t${mine}\n`,
            "network ls": `n1\tnet\t${mine}\n`,
            "volume ls": `v1\tv1\t${mine}\n`,
            "rm --force": "",
            "network rm": "",
        });
        const said: string[] = [];
        await settleObjects(stackWith(stateOf()), commands.variables, (line) => said.push(line));
        expect(said).toEqual(["removing what an interrupted update left: lost, net"]);
        expect(commands.calls().slice(3)).toEqual(["rm --force c1", "network rm n1"]);
    });

    it("are not this state's own, which stay", async () => {
        commands.add("docker", { "ps ": `c1\tmine\t${mine}\n`, "network ls": "", "volume ls": "" });
        const said: string[] = [];
        await settleObjects(
            stackWith([originResource, { type: "docker:index/container:Container", id: "c1" }]),
            commands.variables,
            (line) => said.push(line),
        );
        expect(said).toEqual([]);
        expect(commands.calls()).toHaveLength(3);
    });
});

describe("a stack's configuration, before the program runs", () => {
    const stackWith = (config: Record<string, { value: string; secret?: boolean }>) =>
        ({ name: "prod", getAllConfig: () => Promise.resolve(config) }) as unknown as Stack;

    it("is read as the program reads it", async () => {
        const configuration = await configurationOf(
            stackWith({
                "mlflow-platform:mlflowPort": { value: "5001" },
                "mlflow-platform:pgPassword": { value: "hunter2", secret: true },
                "docker:host": { value: "x" },
            }),
            { MLFLOW_PLATFORM_BASE_IMAGE: "debian:13" },
        );
        expect(configuration).toMatchObject({ mlflowPort: 5001, pgPassword: "hunter2", baseImage: "debian:13" });
    });

    it("is refused with every problem and a command", async () => {
        await expect(
            configurationOf(
                stackWith({
                    "mlflow-platform:mlflowPort": { value: "x" },
                    "mlflow-platform:pgPassword": { value: "hunter2" },
                }),
                {},
            ),
        ).rejects.toThrow(
            expect.objectContaining({
                name: "UserError",
                message:
                    'the configuration of stack "prod" has 2 problems:\n' +
                    '  mlflowPort: "x" is not a whole number from 1 to 65535\n' +
                    "  pgPassword: is a secret but stands in plain text in the stack's file: pulumi config set --secret pgPassword",
                cure: "Set what it says with npm run pulumi -- config set --stack prod <key> <value>, and run this again.",
            }),
        );
    });
});

describe("published ports", () => {
    /** A container that runs: its name, a port that it publishes, on which address, and its stack of this project. */
    interface Running {
        name: string;
        port: number;
        address?: string;
        stack?: string;
    }
    const running = (...containers: Running[]) => {
        commands.add("docker", {
            "ps --quiet": containers.map((_, index) => `c${index}`).join("\n"),
            inspect: JSON.stringify(
                containers.map(({ name, port, address = "127.0.0.1", stack }) => ({
                    Name: `/${name}`,
                    Config: {
                        Labels:
                            stack === undefined
                                ? null
                                : { "mlflow-platform.project": "mlflow-platform", "mlflow-platform.stack": stack },
                    },
                    HostConfig: {
                        PortBindings: { "9000/tcp": [{ HostIp: address, HostPort: String(port) }], "1/tcp": null },
                    },
                })),
            ),
        });
    };
    /** Three ports that are free now, and one that a program has. */
    const ports = async () => {
        const servers = await Promise.all(
            [1, 2, 3, 4].map(async () => {
                const server = createServer().listen(0, "127.0.0.1");
                await once(server, "listening");
                return server;
            }),
        );
        const [taken, ...free] = servers.map((server) => (server.address() as AddressInfo).port);
        for (const server of servers.slice(1)) {
            server.close();
            await once(server, "close");
        }
        return { taken: Number(taken), free: free.map(Number), end: () => servers[0]?.close() };
    };
    const configuration = (mlflowPort: number, minioPort: number, consolePort: number) =>
        parseConfiguration({
            values: {
                mlflowPort: String(mlflowPort),
                minioPort: String(minioPort),
                minioConsoleAddress: `:${consolePort}`,
            },
            secrets: new Set(),
        }).value;

    it("are fine where they are free", async () => {
        const { free, end } = await ports();
        const [a = 0, b = 0, c = 0] = free;
        running();
        await expect(checkPorts("dev", configuration(a, b, c), commands.variables)).resolves.toBeUndefined();
        end();
    });

    it("are fine where this stack has them already", async () => {
        const { taken, free, end } = await ports();
        const [a = 0, b = 0] = free;
        running({ name: "mlflow-platform-dev-mlflow", port: taken, stack: "dev" });
        await expect(checkPorts("dev", configuration(taken, a, b), commands.variables)).resolves.toBeUndefined();
        end();
    });

    it("are fine where a container has them on another address", async () => {
        const { free, end } = await ports();
        const [a = 0, b = 0, c = 0] = free;
        running({ name: "elsewhere", port: a, address: "127.0.0.9" });
        await expect(checkPorts("dev", configuration(a, b, c), commands.variables)).resolves.toBeUndefined();
        end();
    });

    it.each(["127.0.0.1", "0.0.0.0", ""])("are refused where a container has them on %j", async (address) => {
        const { free, end } = await ports();
        const [a = 0, b = 0, c = 0] = free;
        running({ name: "somebody-elses", port: a, address });
        await expect(checkPorts("dev", configuration(a, b, c), commands.variables)).rejects.toThrow(
            `Ports are taken:\n  mlflowPort: port ${a} on 127.0.0.1 is in use by container somebody-elses`,
        );
        end();
    });

    it("are refused where another stack has them, also one whose name begins alike, or a name like this stack's", async () => {
        const { free, end } = await ports();
        const [a = 0, b = 0, c = 0] = free;
        running(
            { name: "mlflow-platform-dev-2-mlflow", port: a, stack: "dev-2" },
            { name: "mlflow-platform-dev-by-hand", port: b },
        );
        await expect(checkPorts("dev", configuration(a, b, c), commands.variables)).rejects.toThrow(
            `  mlflowPort: port ${a} on 127.0.0.1 is in use by container mlflow-platform-dev-2-mlflow\n` +
                `  minioPort: port ${b} on 127.0.0.1 is in use by container mlflow-platform-dev-by-hand`,
        );
        end();
    });

    it("are refused all at once, with commands that set others", async () => {
        const { taken, free, end } = await ports();
        const [a = 0, b = 0] = free;
        running({ name: "somebody-elses", port: a }, { name: "mlflow-platform-prod-minio", port: b, stack: "prod" });
        await expect(checkPorts("dev", configuration(taken, a, b), commands.variables)).rejects.toThrow(
            expect.objectContaining({
                name: "UserError",
                message: [
                    "Ports are taken:",
                    `  mlflowPort: port ${taken} on 127.0.0.1 is in use by another program`,
                    `  minioPort: port ${a} on 127.0.0.1 is in use by container somebody-elses`,
                    `  minioConsoleAddress: port ${b} on 127.0.0.1 is in use by container mlflow-platform-prod-minio`,
                ].join("\n"),
                cure: [
                    "End what has them, or set others:",
                    "  npm run pulumi -- config set --stack dev mlflowPort 5001",
                    "  npm run pulumi -- config set --stack dev minioPort 9010",
                    "  npm run pulumi -- config set --stack dev minioConsoleAddress :9011",
                ].join("\n"),
            }),
        );
        end();
    });

    it("are not looked at where the engine is on another host", async () => {
        const { taken, end } = await ports();
        commands.add("docker", {});
        const variables = { ...commands.variables, DOCKER_HOST: "ssh://elsewhere" };
        await expect(checkPorts("dev", configuration(taken, 1, 2), variables)).resolves.toBeUndefined();
        expect(commands.calls()).toEqual([]);
        end();
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
