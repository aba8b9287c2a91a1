/** Model servers: versions come and go by their alias, broken ones do no harm, and a hostile one reaches nothing. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { Checkout } from "../support/checkout.ts";
import { container, containersOf, docker } from "../support/engine.ts";
import { describeImage } from "../support/imageRules.ts";
import { freePorts, initStack } from "../support/platforms.ts";
import { Registry, Served, eventually, isMonotonous, setModels } from "../support/served.ts";

const { directory, stateHome } = inject("checkout");
const checkout = Checkout.at(directory, stateHome);
const stack = `serving-${randomBytes(2).toString("hex")}`;
const password = "planted-admin-password";

let ports: { mlflow: number; s3: number; console: number };
let entries: { name: string; port: number; [field: string]: string | number }[];
let registry: Registry;
let good: Served;
let hostile: Served;
let firstOutput: string;

const server = (name: string) => `mlflow-platform-${stack}-model-${name}`;
const address = async (name: string): Promise<string> =>
    docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", name);

beforeAll(async () => {
    ports = await initStack(checkout, stack);
    const [goodPort = 0, hostilePort = 0] = await freePorts(2);
    entries = [
        {
            name: "good",
            port: goodPort,
            aliasPollSeconds: 1,
            requestSize: 1,
            requestSeconds: 5,
            recordSampleRate: 1,
            monitorSchedule: "*/3 * * * *",
        },
        { name: "bad", model: "hostile model", port: hostilePort, aliasPollSeconds: 1 },
    ];
    // The most that users could be given by default: what a model server may is another matter.
    await checkout.set(stack, { mlflowAuth: "true", adminPassword: password, defaultPermission: "MANAGE" });
    await checkout.set(stack, { monitorUsername: "admin", monitorPassword: password });
    await setModels(checkout, stack, entries);
    firstOutput = await checkout.ok("start", ["--stack", stack]);
    const outputs = await checkout.outputs(stack);
    expect(outputs.modelServerUrls).toEqual({
        good: `http://127.0.0.1:${goodPort}`,
        bad: `http://127.0.0.1:${hostilePort}`,
    });
    expect(outputs.modelServerTokens).toBeUndefined();
    registry = new Registry(stack, String(outputs.trackingUri), String(outputs.modelImage), {
        username: "admin",
        password,
    });
    good = new Served(`http://127.0.0.1:${goodPort}`);
    hostile = new Served(`http://127.0.0.1:${hostilePort}`);
});
afterAll(async () => {
    await registry.close();
    await checkout.ok("delete-data", [stack]);
    // Nothing of it stays on the engine, though volumes of model servers outlive their entries.
    expect(await containersOf(stack)).toEqual([]);
    for (const kind of ["volume", "network"]) {
        expect(await docker(kind, "ls", "--quiet", "--filter", `label=mlflow-platform.stack=${stack}`)).toBe("");
    }
});

describe("a model that is not there yet", () => {
    it("is waited for: the update is green and says what for, and so do status and requests", async () => {
        const waiting = 'waits: there is no registered model "good"';
        expect(firstOutput).toContain(`Model good     good@production ${waiting}`);
        expect(await checkout.ok("status", ["--stack", stack])).toContain(waiting);
        const answer = await good.ask({ inputs: [[1]] });
        expect(answer.status).toBe(503);
        expect(answer.text).toContain('there is no registered model \\"good\\"');
    });

    it("is served as soon as a version has the alias, without an update", async () => {
        const version = await registry.log("good", "good", "2");
        const reason = 'registered model "good" has no alias "production"';
        await eventually(
            () => good.status(),
            (status) => status.reason === reason,
        );
        await registry.promote("good", version);
        await good.serves(version);
        expect(await good.predict(["x"], [[1], [3]])).toEqual([2, 6]);
    });
});

describe("a version that takes over", () => {
    it("answers every request of ten a second, and versions only go up", async () => {
        const load = good.load({ dataframe_split: { columns: ["x"], data: [[1]] } });
        // A request that is under way when the version changes is finished by the old one.
        const slow = good.ask({ dataframe_split: { columns: ["x"], data: [[-3]] } });
        const version = await registry.log("good", "good", "5");
        await registry.promote("good", version);
        await good.serves(version);
        await new Promise((resolve) => setTimeout(resolve, 1000));
        const answers = await load.stop();
        expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
        expect(isMonotonous(answers.map(({ version: by }) => by))).toBe(true);
        expect(new Set(answers.map(({ version: by }) => by))).toEqual(new Set(["1", version]));
        expect(new Set(answers.map(({ id }) => id)).size).toBe(answers.length);
        expect(answers.every(({ version: by, text }) => text.includes(by === "1" ? "2.0" : "5.0"))).toBe(true);
        expect((await slow).status).toBe(200);
    });

    it.each([
        ["conflict", /numpy/],
        ["minor", /3\.9.*3\.13/s],
        ["import", /a_module_that_is_not_there/],
        ["memory", /memory/i],
        ["signature", /input example/],
        ["unsigned", /signature/],
    ])("and cannot be served (%s) leaves the old one serving, and says why", async (kind, reason) => {
        const load = good.load({ dataframe_split: { columns: ["x"], data: [[1]] } });
        const version = await registry.log(kind, "good");
        await registry.promote("good", version);
        expect(await good.refuses(version)).toMatch(reason);
        const answers = await load.stop();
        expect(answers.filter(({ status, version: by }) => status !== 200 || by !== "2")).toEqual([]);
        // It prints the same words, whatever they are.
        if (kind === "conflict" || process.env.MLFLOW_PLATFORM_TEST_LONG !== undefined) {
            expect(await checkout.ok("status", ["--stack", stack])).toMatch(reason);
        }
    });

    it("goes back with the alias", async () => {
        await registry.promote("good", "2");
        await eventually(
            () => good.status(),
            ({ version, candidate }) => version === "2" && candidate === null,
        );
    });
});

describe("requests", () => {
    const row = { dataframe_split: { columns: ["x"], data: [[1]] } };
    it.each<[string, number, unknown, Record<string, string>]>([
        ["not JSON", 400, "{", {}],
        ["of another form", 400, { rows: [1] }, {}],
        ["with a column that is missing", 400, { dataframe_split: { columns: ["y"], data: [[1]] } }, {}],
        ["of a wrong type", 400, { dataframe_split: { columns: ["x"], data: [["one"]] } }, {}],
        ["of another media type", 415, "x\n1\n", { "content-type": "text/html" }],
        ["that are empty", 400, "", {}],
        ["that are too large", 413, `{"inputs": [${"1,".repeat(600_000)}1]}`, {}],
        ["that take too long", 504, { dataframe_split: { columns: ["x"], data: [[-20]] } }, {}],
    ])("%s are answered %i with a reason", async (_, status, body, headers) => {
        const answer = await good.ask(body, headers);
        expect({ status: answer.status, reason: answer.text.length > 10 }).toEqual({ status, reason: true });
        expect((await good.ask(row)).status).toBe(200);
    });

    it("of other methods and paths are refused", async () => {
        const url = `http://127.0.0.1:${String(entries[0]?.port)}`;
        expect((await fetch(`${url}/invocations`)).status).toBe(405);
        expect((await fetch(`${url}/metrics`)).status).toBe(404);
        expect((await fetch(`${url}/ping`)).status).toBe(200);
        expect((await fetch(`${url}/version`)).status).toBe(200);
    });
});

describe("recorded predictions", () => {
    it("are joined with labels by their ids; unknown ids are named", async () => {
        const { id } = await good.ask({ dataframe_split: { columns: ["x"], data: [[1], [2]] } });
        await eventually(
            () => docker("exec", server("good"), "sh", "-c", "cat /var/lib/records/predictions-*.jsonl"),
            (text) => text.includes(id),
        );
        const directory = mkdtempSync(join(tmpdir(), "labels-"));
        try {
            const file = join(directory, "labels.csv");
            writeFileSync(file, `prediction_id,row,label\n${id},0,5\n${id},1,10\nnobody-knows-this,0,1\n`);
            const output = await checkout.ok("labels", ["good", file, "--stack", stack]);
            expect(output).toContain("2 labels joined, 1 unknown prediction ids");
            expect(output).toContain("nobody-knows-this");
            writeFileSync(file, "id,label\n1,2\n");
            const [{ code, output: refusal }, unknown] = await Promise.all([
                checkout.run("labels", ["good", file, "--stack", stack]),
                checkout.run("labels", ["nothing", file, "--stack", stack]),
            ]);
            expect(code).toBe(1);
            expect(refusal).toContain("prediction_id");
            expect(unknown.output).toContain(`Stack ${stack} serves no model "nothing"; it serves good, bad.`);
        } finally {
            rmSync(directory, { recursive: true });
        }
    });
});

describe("a hostile model", () => {
    interface Report {
        connections: Record<string, string>;
        docker: boolean;
        secrets: Record<string, string>;
        environment: string[];
        mlflow: Record<string, number>;
        others: Record<string, number | string>;
        root: boolean;
        uid: number;
    }
    let report: Report;
    let otherVersion: { source: string; run_id: string };

    beforeAll(async () => {
        otherVersion = (
            await registry.mlflow<{ model_version: { source: string; run_id: string } }>(
                "GET",
                "model-versions/get?name=good&version=1",
            )
        ).model_version;
        const experiment = otherVersion.source.split("/")[1] ?? "";
        const addresses = async (name: string) =>
            (await address(`mlflow-platform-${stack}-${name}`)).trim().split(" ").filter(Boolean);
        const gateway = (
            await docker(
                "network",
                "inspect",
                "--format",
                "{{(index .IPAM.Config 0).Gateway}}",
                `mlflow-platform-${stack}-model-bad`,
            )
        ).trim();
        const connect = [
            ...["postgres", ...(await addresses("postgres"))].map((host) => [host, 5432]),
            ...["minio", "s3", "mlflow_minio", ...(await addresses("minio"))].map((host) => [host, 9000]),
            ...["model-good", ...(await addresses("model-good"))].map((host) => [host, 8080]),
            [gateway, ports.s3],
            [gateway, entries[0]?.port],
        ];
        const artifacts = otherVersion.source.replace("mlflow-artifacts:", "");
        const version = await registry.log(
            "hostile",
            "hostile model",
            JSON.stringify({
                account: "model-server-bad",
                connect,
                mlflow: "http://mlflow:5000",
                mlflow_requests: [
                    // What it may.
                    ["GET", "/api/2.0/mlflow/registered-models/alias?name=hostile+model&alias=production", null],
                    // What it may not.
                    ["GET", "/api/2.0/mlflow/registered-models/get?name=good", null],
                    ["GET", "/api/2.0/mlflow/model-versions/get-download-uri?name=good&version=1", null],
                    ["GET", "/api/2.0/mlflow/registered-models/search", null],
                    ["GET", `/api/2.0/mlflow/experiments/get?experiment_id=${experiment}`, null],
                    ["GET", `/api/2.0/mlflow/runs/get?run_id=${otherVersion.run_id}`, null],
                    ["GET", `/api/2.0/mlflow-artifacts/artifacts${artifacts}/MLmodel`, null],
                    ["GET", "/api/2.0/mlflow-artifacts/artifacts?path=", null],
                    ["POST", "/api/2.0/mlflow/experiments/create", { name: "hostile" }],
                    ["POST", "/api/2.0/mlflow/registered-models/create", { name: "hostile" }],
                    [
                        "POST",
                        "/api/2.0/mlflow/registered-models/alias",
                        { name: "hostile model", alias: "production", version: "1" },
                    ],
                    [
                        "POST",
                        "/api/2.0/mlflow/registered-models/set-tag",
                        { name: "hostile model", key: "a", value: "b" },
                    ],
                    ["POST", "/api/2.0/mlflow/runs/create", { experiment_id: experiment }],
                    ["PUT", `/api/2.0/mlflow-artifacts/artifacts${artifacts}/MLmodel`, {}],
                    ["DELETE", `/api/2.0/mlflow-artifacts/artifacts${artifacts}/MLmodel`, null],
                    ["POST", "/api/2.0/mlflow/users/create", { username: "h", password: "hostile-password" }],
                    [
                        "PATCH",
                        "/api/2.0/mlflow/users/update-password",
                        { username: "model-server-bad", password: "hostile-password" },
                    ],
                    ["POST", "/graphql", { query: "{ test { inputString } }" }],
                ],
                requests: [["GET", "http://mlflow:5000/api/2.0/mlflow/experiments/search?max_results=1"]],
            }),
        );
        await registry.promote("hostile model", version);
        await hostile.serves(version);
        const [text] = await hostile.predict(["x"], [[1]]);
        report = JSON.parse(text as string) as Report;
    });

    it("connects to nothing but the tracking server", () => {
        const connected = Object.entries(report.connections).filter(([, result]) => result === "connected");
        expect(connected).toEqual([]);
        expect(Object.keys(report.connections).length).toBeGreaterThan(8);
        expect(report.docker).toBe(false);
        expect(report.root).toBe(false);
        expect(report.uid).toBe(1000);
    });

    it("finds no credential but the password of its own account", () => {
        expect(Object.keys(report.secrets).sort()).toEqual(
            ["mlflow_password", "package_ca", "packages.env"]
                .map((file) => `/run/secrets/platform/${file}`)
                .filter((file) => file in report.secrets),
        );
        expect(report.secrets["/run/secrets/platform/mlflow_password"]).toMatch(/^[\w-]{43}$/);
        expect(report.environment.filter((name) => /PASSWORD|SECRET|TOKEN|AWS|^PG/.test(name))).toEqual([]);
    });

    it("reads its own model and nothing else of MLflow, and writes nothing, whatever users are given by default", () => {
        const [allowed, ...others] = Object.entries(report.mlflow);
        expect(allowed?.[1]).toBe(200);
        expect(others.filter(([, status]) => status !== 403)).toEqual([]);
        expect(others).toHaveLength(17);
        expect(Object.values(report.others)).toEqual([401]);
    });
});

describe("a monitor", () => {
    it("runs the project's entry point at set times, as its user, and may only read what is recorded", async () => {
        const name = `${server("good")}-monitor`;
        const output = await eventually(
            async () => (await execa("docker", ["logs", name], { all: true })).all,
            (text) => text.includes("ended with exit code"),
            300,
        );
        // It got in, and found that this model was not made by the example.
        expect(output).toMatch(/version \d+ of "good" has no tag data_run/);
        await expect(docker("exec", name, "touch", "/var/lib/records/x")).rejects.toThrow("Read-only file system");
        const { Config } = await container(stack, "model-good-monitor");
        expect(`${Config.Env?.join() ?? ""}${output}`).not.toContain(password);
    });
});

describe("the containers", () => {
    it("are hardened like the others, and each is on a network of its own", async () => {
        const found = (await containersOf(stack)).filter(({ Name }) => /-model-(good|bad)$/.test(Name));
        expect(found).toHaveLength(2);
        for (const { HostConfig, Config } of found) {
            expect(HostConfig.ReadonlyRootfs).toBe(true);
            expect(HostConfig.CapDrop).toEqual(["ALL"]);
            expect(HostConfig.Memory).toBe(2048 * 2 ** 20);
            expect(Config.User).toBe("1000:1000");
            expect(Object.values(HostConfig.PortBindings ?? {}).flatMap((list) => list ?? [])).toEqual([
                { HostIp: "127.0.0.1", HostPort: expect.stringMatching(/^\d+$/) as string },
            ]);
        }
        expect((await address(server("good"))).trim().split(" ")).toHaveLength(1);
    });

    it("serve the last version when MLflow and the package index are away", async () => {
        await docker("stop", `mlflow-platform-${stack}-mlflow`);
        try {
            await docker("network", "disconnect", `mlflow-platform-${stack}-model-good`, server("good"));
            await docker("network", "connect", `mlflow-platform-${stack}-model-good`, server("good"));
            await docker("restart", server("good"));
            const { reason } = await good.serves("2");
            expect(reason).toMatch(/cannot be reached/);
            expect(await good.predict(["x"], [[1]])).toEqual([5]);
        } finally {
            await docker("start", `mlflow-platform-${stack}-mlflow`);
        }
    });

    it("go with their entries; the others stay as they are, and so do volumes", async () => {
        const before = (await container(stack, "model-good")).Id;
        await setModels(checkout, stack, entries.slice(0, 1));
        await checkout.ok("start", ["--stack", stack]);
        expect((await container(stack, "model-good")).Id).toBe(before);
        await expect(container(stack, "model-bad")).rejects.toThrow();
        expect(await docker("volume", "inspect", "--format", "{{.Name}}", `${server("bad")}-records`)).toBe(
            `${server("bad")}-records`,
        );
        await checkout.pulumi(stack, "preview", "--expect-no-changes");
    });
});

describeImage("model", async () => (await container(stack, "model-good")).Config.Image, ["uv"]);
