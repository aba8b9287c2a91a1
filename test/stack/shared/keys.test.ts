import { ListBucketsCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { readdirSync } from "node:fs";
import { beforeAll, expect, inject, it } from "vitest";
import { Checkout } from "../support/checkout.ts";
import { container, docker, serverProcesses, sql } from "../support/engine.ts";
import { minioDataOf, plantedValues } from "../support/platforms.ts";
import { runPython } from "../support/python.ts";

// A platform with another value than the default for every key that has an effect on a running service; that images,
// waits and a volume's name have one is shown where those are changed.
const platform = inject("planted");
const { stack } = platform;
const checkout = Checkout.at(platform.directory, platform.stateHome);
const value = (key: string) => plantedValues[key]?.value ?? "";
const database = value("pgDatabase");

let outputs: Record<string, unknown>;
let runId: string;
beforeAll(async () => {
    outputs = await checkout.outputs(stack);
    ({ runId } = await runPython<{ runId: string }>(
        "log_and_read.py",
        [platform.trackingUri, "log", "seen"],
        platform.login,
    ));
});

const s3 = (id: string, secret: string) =>
    new S3Client({
        endpoint: `http://127.0.0.2:${platform.ports.s3}`,
        region: "us-east-1",
        forcePathStyle: true,
        credentials: { accessKeyId: id, secretAccessKey: secret },
    });

it("bindAddress and the ports: where clients find each service", async () => {
    expect(outputs.trackingUri).toBe(`http://127.0.0.2:${platform.ports.mlflow}`);
    expect(outputs.minioEndpoint).toBe(`http://127.0.0.2:${platform.ports.s3}`);
    expect((await fetch(String(outputs.minioConsoleUrl))).status).toBe(200);
    await expect(fetch(`http://127.0.0.1:${platform.ports.mlflow}`)).rejects.toThrow();
    expect(await runPython("log_and_read.py", [platform.trackingUri, "read", runId], platform.login)).toEqual({
        param: "seen",
        artifact: "seen",
    });
});

it("pgUser, pgPassword, pgPort, pgDatabase: the URI, with every part escaped, that logs in on the network", async () => {
    const uri = new URL(String(outputs.pgUri));
    expect(decodeURIComponent(uri.username)).toBe(value("pgUser"));
    expect(decodeURIComponent(uri.password)).toBe(value("pgPassword"));
    expect(uri.port).toBe(value("pgPort"));
    expect(decodeURIComponent(uri.pathname)).toBe(`/${database}`);
    const name = `mlflow-platform-${stack}-mlflow`;
    const probe =
        "import psycopg2,sys; c=psycopg2.connect(sys.argv[1]).cursor(); c.execute('select current_user'); print(*c.fetchone())";
    expect(await docker("exec", name, "python3", "-c", probe, uri.href)).toBe(value("pgUser"));
    expect(await sql(stack, "show port", database)).toEqual([value("pgPort")]);
});

it("pgOwnerUser: acts as the tables' owner; pgUser cannot change a table", async () => {
    const owners = await sql(stack, "select distinct tableowner from pg_tables where schemaname = 'public'", database);
    expect(owners).toEqual(["mlflow_platform_owner"]);
    const member = (role: string) =>
        sql(stack, `select pg_has_role('${role}', 'mlflow_platform_owner', 'member')`, database);
    expect(await member(value("pgOwnerUser"))).toEqual(["t"]);
    expect(await member(value("pgUser"))).toEqual(["f"]);
    const name = `mlflow-platform-${stack}-mlflow`;
    const probe =
        "import psycopg2,sys\n" +
        "c=psycopg2.connect(sys.argv[1]).cursor()\n" +
        "try: c.execute('create table t (i int)'); print('made')\n" +
        "except psycopg2.errors.InsufficientPrivilege: print('refused')";
    expect(await docker("exec", name, "python3", "-c", probe, String(outputs.pgUri))).toBe("refused");
});

it("mlflowBucketName, minioAccessKey, minioSecretAccessKey: the artifact is there, and the key sees that bucket alone", async () => {
    const key = s3(value("minioAccessKey"), value("minioSecretAccessKey"));
    const { Contents } = await key.send(new ListObjectsV2Command({ Bucket: value("mlflowBucketName") }));
    expect(Contents?.map(({ Key }) => Key)).toContain(`0/${runId}/artifacts/note.txt`);
    expect((await key.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).toEqual([
        value("mlflowBucketName"),
    ]);
});

it("minioRootUser, minioRootPassword: log in; MLflow has neither", async () => {
    const root = s3(value("minioRootUser"), value("minioRootPassword"));
    expect((await root.send(new ListBucketsCommand({}))).Buckets?.length).toBe(1);
    const files = await docker("exec", `mlflow-platform-${stack}-mlflow`, "sh", "-c", "cat /run/secrets/platform/*");
    expect(files).toContain(value("minioAccessKey"));
    expect(files).not.toContain(value("minioRootUser"));
    expect(files).not.toContain(value("minioRootPassword"));
    expect(files).not.toContain(value("pgOwnerPassword"));
});

it("minioVolumePath: the objects are in that directory of the host", async () => {
    const data = (await container(stack, "minio")).Mounts.find(({ Destination }) => Destination === "/data");
    expect(data).toMatchObject({ Type: "bind", Source: minioDataOf(platform) });
    expect(readdirSync(minioDataOf(platform))).toContain(value("mlflowBucketName"));
});

it("mlflowWorkers: one process that serves", async () => {
    expect((await serverProcesses(stack)).workers).toHaveLength(1);
});

it.each(["mlflow", "minio", "postgres"])("memory and CPUs of %s", async (name) => {
    const prefix = name === "postgres" ? "pg" : name;
    const { HostConfig } = await container(stack, name);
    expect(HostConfig.Memory).toBe(Number(value(`${prefix}Memory`)) * 2 ** 20);
    expect(HostConfig.NanoCpus).toBe(Number(value(`${prefix}Cpus`)) * 1e9);
});

it("pgMemory: a quarter of it is shared_buffers", async () => {
    expect(await sql(stack, "show shared_buffers", database)).toEqual(["150MB"]);
});
