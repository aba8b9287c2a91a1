/** What the operations tell the user: progress, errors, log lines without secrets, the table at the end, the explanation. */
import { appendFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEvent, Stack } from "@pulumi/pulumi/automation/index.js";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { packagesBase, pinnedBase, planBase } from "../../../operations/baseImage.ts";
import { explanation } from "../../../operations/explain.ts";
import { withLogTails, secretsOf } from "../../../operations/logTail.ts";
import { placesOf } from "../../../operations/places.ts";
import { type Plan, choicesOf } from "../../../operations/platform.ts";
import { announced } from "../../../operations/progress.ts";
import { summary, usedBuilds } from "../../../operations/start.ts";
import { changesInWords, replaceNext, update } from "../../../operations/update.ts";
import { UpdateProgress } from "../../../operations/updateProgress.ts";
import { UserError } from "../../../operations/userError.ts";
import { cliRoot } from "../../../operations/workspace.ts";
import { Commands } from "../support/commands.ts";

const places = placesOf({ XDG_STATE_HOME: "/s", XDG_CACHE_HOME: "/c" });

describe("the progress of an update", () => {
    let clock: number;
    let said: string[];
    let written: string[];
    let progress: UpdateProgress;
    beforeEach(() => {
        vi.useFakeTimers();
        clock = 0;
        said = [];
        written = [];
        progress = new UpdateProgress(
            (line) => said.push(line),
            { period: 15, details: (line) => written.push(line) },
            () => clock,
        );
    });
    afterEach(() => {
        progress.stop();
        vi.useRealTimers();
    });

    const types = {
        container: "docker:index/container:Container",
        image: "docker:index/remoteImage:RemoteImage",
        volume: "docker:index/volume:Volume",
        network: "docker:index/network:Network",
        password: "random:index/randomPassword:RandomPassword",
        component: "mlflow-platform:index:Minio",
        stack: "pulumi:pulumi:Stack",
    };
    const urn = (name: string) => `urn:pulumi:dev::mlflow-platform::a$b::${name}`;
    const metadata = (op: string, kind: keyof typeof types, name: string) => ({
        op,
        type: types[kind],
        urn: urn(name),
    });
    const begin = (op: string, kind: keyof typeof types, name: string) => {
        progress.take({ resourcePreEvent: { metadata: metadata(op, kind, name) } } as unknown as EngineEvent);
    };
    const end = (op: string, kind: keyof typeof types, name: string) => {
        progress.take({ resOutputsEvent: { metadata: metadata(op, kind, name) } } as unknown as EngineEvent);
    };
    const fail = (op: string, kind: keyof typeof types, name: string) => {
        progress.take({ resOpFailedEvent: { metadata: metadata(op, kind, name) } } as unknown as EngineEvent);
    };
    const diagnostic = (severity: string, message: string) => {
        progress.take({ diagnosticEvent: { severity, message } } as unknown as EngineEvent);
    };
    /** Lets the time pass that the clock and the timers show. */
    const pass = (seconds: number) => {
        clock += seconds * 1000;
        vi.advanceTimersByTime(seconds * 1000);
    };

    it("says each period what is under way, and how long already", () => {
        begin("create", "image", "mlflow");
        begin("create", "container", "postgres");
        pass(14);
        expect(said).toEqual([]);
        pass(1);
        expect(said).toEqual(["0 done; creating image mlflow (15 s), creating container postgres (15 s)"]);
        pass(15);
        expect(said).toHaveLength(2);
        expect(said[1]).toBe("0 done; creating image mlflow (30 s), creating container postgres (30 s)");
    });

    it("says how long it has taken so far while nothing is under way", () => {
        pass(15);
        expect(said).toEqual(["0 done; 15 s so far"]);
    });

    it("shows the step that an image's build is at, by the log that it writes, and hands on its lines", () => {
        const directory = mkdtempSync(join(tmpdir(), "mlflow-platform-"));
        const log = join(directory, "minio.log");
        writeFileSync(log, "#5 [build 9/9] RUN earlier\n");
        const image = (op: string) => ({
            ...metadata(op, "image", "minio"),
            new: { inputs: { build: { buildLogFile: log } } },
        });
        progress.take({ resourcePreEvent: { metadata: image("create") } } as unknown as EngineEvent);
        pass(15);
        appendFileSync(
            log,
            "#1 [internal] load build definition\n#6 [build 2/5] RUN --mount=type=cache go install\n#6 0.1 go: do",
        );
        pass(15);
        appendFileSync(log, "wnloading\n#6 DONE 9.1s\n");
        progress.take({ resOutputsEvent: { metadata: image("create") } } as unknown as EngineEvent);
        expect(said).toEqual([
            "0 done; creating image minio (15 s)",
            "0 done; creating image minio (30 s): [build 2/5] RUN go install",
            "created image minio (30 s)",
        ]);
        expect(written).toEqual([
            "image minio | #1 [internal] load build definition",
            "image minio | #6 [build 2/5] RUN --mount=type=cache go install",
            "image minio | #6 0.1 go: downloading",
            "image minio | #6 DONE 9.1s",
        ]);
        rmSync(directory, { recursive: true });
    });

    it("says nothing after its end", () => {
        begin("create", "image", "mlflow");
        progress.stop();
        pass(300);
        expect(said).toEqual([]);
    });

    it("has a line for what took five seconds or more, and none for less", () => {
        begin("create", "volume", "data");
        begin("create", "container", "minio");
        pass(4);
        end("create", "volume", "data");
        pass(1);
        end("create", "container", "minio");
        expect(said).toEqual(["created container minio (5 s)"]);
        expect(progress.changes).toBe(2);
    });

    it.each([
        ["create", "creating", "created"],
        ["create-replacement", "creating", "created"],
        ["update", "updating", "updated"],
        ["replace", "replacing", "replaced"],
        ["delete", "deleting", "deleted"],
        ["delete-replaced", "deleting", "deleted"],
        ["import", "import", "import"],
    ])("calls %s %s, then %s", (op, during, after) => {
        begin(op, "network", "backend");
        pass(15);
        end(op, "network", "backend");
        expect(said).toEqual([`0 done; ${during} network backend (15 s)`, `${after} network backend (15 s)`]);
    });

    it("calls what is no object of the engine by its name", () => {
        begin("create", "password", "pg-password");
        pass(15);
        expect(said).toEqual(["0 done; creating pg-password (15 s)"]);
    });

    it.each(["same", "read", "refresh", "read-discard", "remove-pending-replace", "discard"])(
        "does not count %s, which changes nothing",
        (op) => {
            begin(op, "container", "minio");
            pass(15);
            end(op, "container", "minio");
            expect(said).toEqual(["0 done; 15 s so far"]);
            expect(progress.changes).toBe(0);
        },
    );

    it.each(["component", "stack"] as const)("does not count a %s, which is no change on the engine", (kind) => {
        begin("create", kind, "minio");
        pass(15);
        end("create", kind, "minio");
        expect(said).toEqual(["0 done; 15 s so far"]);
        expect(progress.changes).toBe(0);
    });

    it("names what failed, and no longer says that it is under way", () => {
        begin("create", "container", "minio");
        pass(10);
        fail("create", "container", "minio");
        expect(progress.failed).toEqual(["minio"]);
        expect(progress.changes).toBe(0);
        pass(5);
        expect(said).toEqual(["0 done; 15 s so far"]);
    });

    it("collects errors once each, without colours and without the engine's closing words", () => {
        diagnostic("warning", "careful");
        diagnostic("error", "<{%reset%}>job x ended with exit code 1<{%reset%}>\n");
        diagnostic("error", "<{%fg 1%}>job x ended with exit code 1<{%reset%}>");
        diagnostic("error", "<{%reset%}><{%reset%}>");
        diagnostic("error", "update failed");
        diagnostic("info", "hello");
        diagnostic("error", "port is taken");
        expect(progress.errors).toEqual(["job x ended with exit code 1", "port is taken"]);
    });
});

describe("the logs of what failed", () => {
    let commands: Commands;
    beforeEach(() => {
        commands = new Commands();
        commands.add(join(cliRoot(commands.places), "bin/pulumi"), {
            "stack export --show-secrets --stack dev": JSON.stringify({
                version: 3,
                deployment: {
                    resources: [
                        {
                            type: "random:index/randomPassword:RandomPassword",
                            outputs: {
                                result: { "4dabf18193072939515e22adb298388d": "x", plaintext: '"gener\\"ated"' },
                            },
                        },
                        { type: "random:index/randomPassword:RandomPassword", outputs: { result: "in plain text" } },
                        { type: "random:index/randomId:RandomId", outputs: { hex: "ana@laptop-1" } },
                    ],
                },
            }),
        });
    });
    afterEach(() => {
        commands.remove();
    });
    const stack = {
        name: "dev",
        getAllConfig: () =>
            Promise.resolve({
                "mlflow-platform:pgPassword": { value: "configured", secret: true },
                "mlflow-platform:pgUser": { value: "ana", secret: false },
            }),
    } as unknown as Stack;

    const filters = "--filter label=mlflow-platform.project=mlflow-platform --filter label=mlflow-platform.stack=dev";
    /** What docker says of the stack's containers. */
    const ps = (...lines: string[]) => ({
        [`ps --all ${filters} --format {{.Names}}\t{{.Status}}`]: lines.map((line) => `${line}\n`).join(""),
    });
    const tail = (name: string) => `The last log lines of mlflow-platform-dev-${name}:\n  says ${name}`;

    it("are searched for every secret of the stack: configured and generated", async () => {
        expect(await secretsOf(stack, commands.places, commands.variables)).toEqual([
            "configured",
            'gener"ated',
            "in plain text",
        ]);
    });

    it("are the last lines of each container, after the failure, without secrets; what is no container is left out", async () => {
        commands.add("docker", {
            ...ps(),
            "logs --tail 20 mlflow-platform-dev-minio": 'password is configured\nnot gener"ated, ana\n',
            "logs --tail 20 mlflow-platform-dev-silent": "\n",
        });
        const resources = ["pg-password", "minio", "silent"];
        expect(
            await withLogTails(stack, "configured is no password", resources, commands.places, commands.variables),
        ).toBe(
            "[secret] is no password\n" +
                "The last log lines of mlflow-platform-dev-minio:\n  password is [secret]\n  not [secret], ana",
        );
    });

    it("are those of services that are not well, too, once each", async () => {
        const status: [string, string][] = [
            ["postgres", "Restarting (1) 5 seconds ago"],
            ["minio-provision", "Exited (1) 5 seconds ago"],
            ["minio", "Up 2 minutes (unhealthy)"],
            ["mlflow-migrate", "Exited (1) 5 seconds ago"],
            ["new", "Up 3 seconds (health: starting)"],
            ["mlflow-secrets-seed", "Created"],
            ["mlflow", "Up 2 minutes (healthy)"],
        ];
        commands.add("docker", {
            ...ps(...status.map(([name, words]) => `mlflow-platform-dev-${name}\t${words}`)),
            ...Object.fromEntries(
                status.map(([name]) => [`logs --tail 20 mlflow-platform-dev-${name}`, `says ${name}`]),
            ),
        });
        const failed = ["mlflow-migrate", "postgres"];
        expect(await withLogTails(stack, "why", failed, commands.places, commands.variables)).toBe(
            ["why", ...["mlflow-migrate", "postgres", "minio"].map(tail)].join("\n"),
        );
        expect(commands.calls().filter((call) => call.startsWith("ps "))).toHaveLength(1);
    });

    it("are nothing where nothing that failed is a container", async () => {
        commands.add("docker", ps());
        const text = await withLogTails(stack, "why", ["pg-password"], commands.places, commands.variables);
        expect(text).toBe("why");
    });
});

describe("a command that takes long", () => {
    let said: string[];
    beforeEach(() => {
        vi.useFakeTimers();
        said = [];
        vi.spyOn(console, "error").mockImplementation((line) => said.push(String(line)));
        vi.spyOn(console, "log").mockImplementation(() => expect.unreachable("standard output is the command's own"));
    });
    afterEach(() => {
        vi.useRealTimers();
        vi.restoreAllMocks();
    });
    const taking = (milliseconds: number) =>
        new Promise((resolve) => {
            setTimeout(resolve, milliseconds, "done");
        });

    it("says after a second what it is doing, then how long so far, and nothing when it has ended", async () => {
        const result = announced("Opening stack dev", () => taking(40_000));
        await vi.advanceTimersByTimeAsync(999);
        expect(said).toEqual([]);
        await vi.advanceTimersByTimeAsync(1);
        expect(said).toEqual(["Opening stack dev …"]);
        await vi.advanceTimersByTimeAsync(100_000);
        expect(said.slice(1)).toEqual(["Opening stack dev, 15 s so far", "Opening stack dev, 30 s so far"]);
        expect(await result).toBe("done");
    });

    it("says nothing where it takes less, or fails within it", async () => {
        const failing = announced("b", () => Promise.reject(new Error("no")));
        await expect(failing).rejects.toThrow("no");
        const result = announced("a", () => taking(900));
        await vi.advanceTimersByTimeAsync(100_000);
        expect(await result).toBe("done");
        expect(said).toEqual([]);
    });
});

describe("the images that are built", () => {
    it.each<[Parameters<typeof usedBuilds>[0], string[]]>([
        [{}, ["seed", "postgres", "minio", "mlflow"]],
        [{ pgHost: "db", minioHost: "s3" }, ["seed", "mlflow"]],
        [{ publicHost: "ml.example.com" }, ["seed", "postgres", "minio", "gateway", "mlflow"]],
        [{ modelServers: [] }, ["seed", "postgres", "minio", "mlflow"]],
        [{ modelServers: [{} as never] }, ["seed", "postgres", "minio", "mlflow", "model"]],
        [
            {
                ...{ publicHost: "ml.example.com", modelServers: [{} as never], postgresImage: "a", minioImage: "a" },
                ...{ mlflowImage: "a", gatewayImage: "a", modelImage: "a" },
            },
            ["seed"],
        ],
    ])("of %j are those that it uses: %j", (configuration, names) => {
        expect(usedBuilds(configuration)).toEqual(names);
    });
});

describe("the table at the end", () => {
    const outputs = { trackingUri: "http://127.0.0.1:5001", minioConsoleUrl: "http://127.0.0.1:9011", jobs: {} };

    it("says where everything is, and names the stack in every command", () => {
        expect(summary(outputs, "prod")).toBe(`MLflow         http://127.0.0.1:5001
MinIO console  http://127.0.0.1:9011
Credentials    npm run --silent pulumi -- stack output --show-secrets --stack prod
Client         eval "$(npm run --silent client-env -- --stack prod)"
Stop           npm stop -- --stack prod

In a notebook with mlflow installed:

import mlflow
mlflow.set_tracking_uri("http://127.0.0.1:5001")`);
    });

    it("names the administrator, not his password, and how others get in, where there is login", () => {
        const withLogin = { ...outputs, adminUsername: "chief", adminPassword: "planted" };
        const lines = summary(withLogin, "prod").split("\n");
        expect(lines.slice(3, 5)).toEqual([
            "Administrator  chief, password in the output adminPassword",
            "People         npm run user -- add <name> --stack prod",
        ]);
        expect(lines.filter((_, index) => ![3, 4].includes(index)).join("\n")).toBe(summary(outputs, "prod"));
        expect(lines.join("\n")).not.toContain("planted");
    });

    it("has no console of a store that somebody else runs, whose outputs name none", () => {
        expect(summary({ trackingUri: outputs.trackingUri, jobs: {} }, "prod").split("\n")).toEqual(
            summary(outputs, "prod")
                .split("\n")
                .filter((line) => !line.startsWith("MinIO console")),
        );
    });
});

describe("an update", () => {
    const outputs = { trackingUri: { value: "http://127.0.0.1:5000", secret: false } };
    type Up = Parameters<Stack["up"]>[0] & { onEvent: (event: EngineEvent) => void };
    const urn = (name: string) => `urn:pulumi:dev::mlflow-platform::docker:index/container:Container::${name}`;
    const created = (name: string) => ({
        metadata: { op: "create", type: "docker:index/container:Container", urn: urn(name) },
    });
    /** A stack whose update does that, from a state with these resources. */
    const stackWith = (up: (options: Up) => void, resources: unknown[] = []) => {
        const asked: Up[] = [];
        const stack = {
            name: "dev",
            getAllConfig: () => Promise.resolve({ "mlflow-platform:pgPassword": { value: "hunter2", secret: true } }),
            exportStack: () => Promise.resolve({ version: 3, deployment: { resources } }),
            up: (options: Up) => {
                asked.push(options);
                up(options);
                return Promise.resolve({ outputs });
            },
        } as unknown as Stack;
        return { stack, asked };
    };

    it.each([
        [0, "nothing to change"],
        [1, "1 change"],
        [2, "2 changes"],
        [57, "57 changes"],
    ])("with %d changes has ended in words: %s", (changes, words) => {
        expect(changesInWords({ changes, outputs: {} })).toBe(words);
    });

    it("looks at what is there first, and gives the outputs and the number of changes", async () => {
        const { stack, asked } = stackWith(({ onEvent }) => {
            for (const name of ["minio", "mlflow"]) {
                onEvent({ resourcePreEvent: created(name) } as unknown as EngineEvent);
                onEvent({ resOutputsEvent: created(name) } as unknown as EngineEvent);
            }
        });
        const said: string[] = [];
        expect(await update(stack, places, {}, (line) => said.push(line))).toEqual({ changes: 2, outputs });
        expect(said).toEqual(["comparing what is there with what is wanted"]);
        expect(asked).toEqual([expect.objectContaining({ refresh: true, color: "never" })]);
    });

    it("shows each of the program's warnings once", async () => {
        const shown = vi.spyOn(console, "warn").mockImplementation(() => undefined);
        const diagnostic = (severity: string, message: string) =>
            ({ diagnosticEvent: { severity, message } }) as unknown as EngineEvent;
        const { stack } = stackWith(({ onEvent }) => {
            onEvent(diagnostic("warning", "<{%fg 3%}>rights are not split<{%reset%}>\n"));
            onEvent(diagnostic("warning", "rights are not split"));
            onEvent(diagnostic("info", "nothing of note"));
        });
        try {
            await update(stack, places, {}, () => undefined);
            expect(shown.mock.calls).toEqual([["Warning: rights are not split"]]);
        } finally {
            shown.mockRestore();
        }
    });

    describe("marks what is to be made anew", () => {
        let commands: Commands;
        beforeEach(() => {
            commands = new Commands();
            commands.add(join(cliRoot(commands.places), "bin/pulumi"), { "state taint": "" });
        });
        afterEach(() => {
            commands.remove();
        });
        const taint = (...names: string[]) => `state taint --yes --stack dev ${names.map(urn).join(" ")}`;

        it("before it refreshes: what was not made to the end", async () => {
            const type = "docker:index/container:Container";
            const { stack, asked } = stackWith(() => {
                expect(commands.calls()).toEqual([taint("unhealthy", "empty-seed")]);
            }, [
                { type, urn: urn("well") },
                { type, urn: urn("unhealthy"), initErrors: ["it did not become healthy"] },
                { type, urn: urn("empty-seed"), initErrors: ["no files"] },
            ]);
            await update(stack, commands.places, commands.variables, () => undefined);
            expect(asked).toHaveLength(1);
        });

        it("but asks for nothing where there is nothing", async () => {
            await replaceNext("dev", [], commands.places, commands.variables);
            expect(commands.calls()).toEqual([]);
            await replaceNext("dev", [urn("a"), urn("b")], commands.places, commands.variables);
            expect(commands.calls()).toEqual([taint("a", "b")]);
        });
    });

    describe("that fails", () => {
        let commands: Commands;
        beforeEach(() => {
            commands = new Commands();
            commands.add(join(cliRoot(commands.places), "bin/pulumi"), {
                "stack export --show-secrets --stack dev": JSON.stringify({ version: 3, deployment: {} }),
            });
            commands.add("docker", {
                "ps ": "",
                "logs --tail 20 mlflow-platform-dev-minio": "hunter2 is no password\n",
            });
        });
        afterEach(() => {
            commands.remove();
        });
        const failing = (fail: (options: Up) => void) =>
            stackWith((options) => {
                fail(options);
                throw new Error("code: 255, a screen of output");
            }).stack;
        const cure = "Mend what it says and run this again; what is there already is kept.";
        const containerFails = ({ onEvent }: Up) => {
            onEvent({ resourcePreEvent: created("minio") } as unknown as EngineEvent);
            onEvent({ resOpFailedEvent: created("minio") } as unknown as EngineEvent);
            onEvent({ diagnosticEvent: { severity: "error", message: "minio: hunter2" } } as unknown as EngineEvent);
        };

        it("says why, with the last log lines of what failed and without a secret", async () => {
            await expect(
                update(failing(containerFails), commands.places, commands.variables, () => undefined),
            ).rejects.toThrow(
                expect.objectContaining({
                    name: "UserError",
                    message:
                        "pulumi up failed:\nminio: [secret]\n" +
                        "The last log lines of mlflow-platform-dev-minio:\n  [secret] is no password",
                    cure,
                }),
            );
        });

        it("says why in Pulumi's own words where there were no events", async () => {
            await expect(
                update(
                    failing(() => undefined),
                    commands.places,
                    commands.variables,
                    () => undefined,
                ),
            ).rejects.toThrow(
                expect.objectContaining({ message: "pulumi up failed:\nError: code: 255, a screen of output", cure }),
            );
        });

        it("says why also where the secrets cannot be had", async () => {
            commands.add(join(cliRoot(commands.places), "bin/pulumi"), {});
            await expect(
                update(failing(containerFails), commands.places, commands.variables, () => undefined),
            ).rejects.toThrow(expect.objectContaining({ message: "pulumi up failed:\nminio: hunter2", cure }));
        });
    });
});

describe("the explanation", () => {
    const ready: Plan = {
        engine: { action: "running", host: "unix:///x", reason: "engine 20.10.24 answers at unix:///x" },
        toolchain: { source: "official", reason: "get.pulumi.com answers", ready: true, missing: [] },
        base: { source: "registry", ready: true, reason: "the engine has it" },
    };
    const variables = { PULUMI_BACKEND_URL: "file:///s/mlflow-platform/backend" };

    it("of a host that has everything", () => {
        expect(explanation(ready, places, variables, []))
            .toBe(`Docker engine        used as it is: engine 20.10.24 answers at unix:///x
Pulumi CLI, plugins  official downloads, ready: get.pulumi.com answers
Base image           the one pinned in the Dockerfiles: the engine has it
Images to build      none
Backend              file:///s/mlflow-platform/backend
Pulumi home          /c/mlflow-platform/pulumi`);
    });

    it("of a host that has nothing", () => {
        const bare: Plan = {
            engine: { action: "install", host: "unix:///x", reason: "there is no docker command" },
            toolchain: {
                source: "modules",
                reason: "get.pulumi.com does not answer",
                ready: false,
                missing: ["pulumi", "docker"],
            },
            base: {
                source: "packages",
                reference: "mlflow-platform/debian:trixie-1",
                ready: false,
                reason: "made from packages",
            },
        };
        expect(explanation(bare, places, {}, ["postgres", "minio"])).toBe(
            [
                "Docker engine        installed and started by this: there is no docker command",
                "Pulumi CLI, plugins  built from Go modules: get.pulumi.com does not answer",
                "  still to get       pulumi, docker",
                "Base image           mlflow-platform/debian:trixie-1: made from packages",
                "Images to build      postgres, minio",
                "Backend              ",
                "Pulumi home          /c/mlflow-platform/pulumi",
            ].join("\n"),
        );
    });

    it("of an engine that only has to be started", () => {
        const idle: Plan = { ...ready, engine: { action: "start", host: "unix:///x", reason: "dockerd does not run" } };
        expect(explanation(idle, places, variables, []).split("\n")[0]).toBe(
            "Docker engine        started by this: dockerd does not run",
        );
    });
});

describe("the base image", () => {
    it("is pinned by digest, the same in every Dockerfile", () => {
        const images = join(places.project, "images");
        const pins = readdirSync(images, { recursive: true, encoding: "utf8" })
            .filter((path) => path.endsWith("Dockerfile"))
            .flatMap((path) => [...readFileSync(join(images, path), "utf8").matchAll(/^ARG BASE_IMAGE=(.*)$/gm)])
            .map(([, reference]) => reference);
        expect(pins).toHaveLength(4);
        expect(new Set(pins)).toEqual(new Set([pinnedBase(places)]));
        expect(pinnedBase(places)).toMatch(/@sha256:[0-9a-f]{64}$/);
    });

    it("made from packages is named after the script that makes it", () => {
        expect(packagesBase(places)).toMatch(/^mlflow-platform\/debian:trixie-[0-9a-f]{12}$/);
        expect(packagesBase(places)).toBe(packagesBase(places));
    });

    it("is the user's own where the environment names one", async () => {
        expect(await planBase(places, { MLFLOW_PLATFORM_BASE_IMAGE: "mine:1" }, undefined, undefined)).toEqual({
            source: "environment",
            reference: "mine:1",
            ready: true,
            reason: "MLFLOW_PLATFORM_BASE_IMAGE names mine:1",
        });
    });

    it.each<[NodeJS.ProcessEnv]>([[{}], [{ MLFLOW_PLATFORM_BASE_IMAGE: "mine:1" }]])(
        "is from where the user forces it, with %j in the environment",
        async (env) => {
            expect(await planBase(places, env, undefined, "registry")).toEqual({
                source: "registry",
                ready: false,
                reason: "asked for",
            });
            expect(await planBase(places, env, undefined, "packages")).toEqual({
                source: "packages",
                reference: packagesBase(places),
                ready: false,
                reason: "asked for",
            });
        },
    );
});

describe("what the environment forces, for commands without options", () => {
    it.each<[NodeJS.ProcessEnv, object]>([
        [{}, { toolchain: undefined, base: undefined }],
        [{ MLFLOW_PLATFORM_TOOLCHAIN: "official" }, { toolchain: "official", base: undefined }],
        [{ MLFLOW_PLATFORM_TOOLCHAIN: "modules" }, { toolchain: "modules", base: undefined }],
        [{ MLFLOW_PLATFORM_BASE: "registry" }, { toolchain: undefined, base: "registry" }],
        [{ MLFLOW_PLATFORM_BASE: "packages" }, { toolchain: undefined, base: "packages" }],
        [
            { MLFLOW_PLATFORM_TOOLCHAIN: "other", MLFLOW_PLATFORM_BASE: "" },
            { toolchain: undefined, base: undefined },
        ],
    ])("%j", (env, choices) => {
        expect(choicesOf(env)).toEqual(choices);
    });
});

describe("an error for the user", () => {
    it("has what is wrong and what to do about it", () => {
        const error = new UserError("It is broken.", "Mend it.");
        expect([error.name, error.message, error.cure]).toEqual(["UserError", "It is broken.", "Mend it."]);
        expect(error).toBeInstanceOf(Error);
    });
});
