import { HeadBucketCommand, ListBucketsCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { randomBytes } from "node:crypto";
import { chownSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { composeKeys } from "../../../operations/stacks/importDecisions.ts";
import { Checkout } from "../support/checkout.ts";
import { container, containersOf, docker, sql } from "../support/engine.ts";
import {
    type Outside,
    type OutsideMinio,
    gatewayName,
    outsideMinio,
    outsidePostgres,
    outsideSql,
    outsideUser,
} from "../support/outside.ts";
import { freePorts } from "../support/platforms.ts";
import { runPython } from "../support/python.ts";

// Each of the Compose file's variables, set by its .env file alone, and seen from outside where it has its effect. One stack
// runs everything itself; another uses a PostgreSQL and a store that are there already.
const { directory, stateHome, stack: neighbour } = inject("generated");
const checkout = Checkout.at(directory, stateHome);
const suffix = randomBytes(2).toString("hex");
const own = `variables-${suffix}`;
const external = `outside-${suffix}`;
const old = mkdtempSync(join(tmpdir(), "mlflow-compose-"));

const bucket = `compose.${suffix}`;
const password = "pass#word $HOME \"and\" 'so' o\\n";
const quoted = (value: string) => `'${value.replaceAll("'", "\\'")}'`;

let ports: { mlflow: number; s3: number; console: number; other: number };
let outputs: Record<string, unknown>;
let otherOutputs: Record<string, unknown>;
let runId: string;
let otherRunId: string;
let postgres: Outside;
let minio: OutsideMinio;
let importOutput: string;

const data = join(old, "data");
const ownEnv = () => `# The old installation's, as it was found there.
export MLFLOW_PORT="127.0.0.1:${ports.mlflow}"
MINIO_ACCESS_KEY=compose-key # not root's
MINIO_SECRET_ACCESS_KEY=${quoted(`secret ${password}`.slice(0, 40).trim())}
MINIO_HOST=http://s3:9000
MINIO_PORT=${ports.s3}
PG_USER=compose user
PG_PASSWORD=${quoted(password)}
PG_HOST=
PG_PORT=6543
PG_DATABASE=\${NAME:-compose runs}
MLFLOW_BUCKET_NAME=${bucket}
MINIO_VOLUME_PATH=./data
MINIO_CONSOLE_ADDRESS=0.0.0.0:${ports.console}
MINIO_ROOT_USER=compose-root
MINIO_ROOT_PASSWORD=${quoted(`root ${password}`)}
MINIO_STORAGE_USE_HTTPS=True
`;
const externalEnv = () => `MLFLOW_PORT=${ports.other}
PG_HOST=127.0.0.1
PG_PORT=${postgres.port}
PG_USER=tracking
PG_PASSWORD=${quoted(password)}
PG_DATABASE=old_runs
MINIO_HOST=http://${gatewayName}:${minio.port}
MINIO_ACCESS_KEY=somebody
MINIO_SECRET_ACCESS_KEY=outside-secret
MLFLOW_BUCKET_NAME=old.artifacts
`;

function fileOf(name: string, text: string): string {
    const path = join(old, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
}

/** Brings a stack up that is open, and logs a run with an artifact. */
async function bring(stack: string): Promise<{ outputs: Record<string, unknown>; runId: string }> {
    await checkout.set(stack, { mlflowAuth: "false" });
    await checkout.ok("start", ["--stack", stack]);
    const found = await checkout.outputs(stack);
    const { runId: run } = await runPython<{ runId: string }>("log_and_read.py", [
        String(found.trackingUri),
        "log",
        suffix,
    ]);
    return { outputs: found, runId: run };
}

beforeAll(async () => {
    const [mlflow = 0, s3 = 0, console = 0, other = 0] = await freePorts(4);
    ports = { mlflow, s3, console, other };
    mkdirSync(data);
    chownSync(data, 1000, 1000);
    const image = async (name: string) => (await container(neighbour, name)).Image;
    [postgres, minio] = await Promise.all([
        outsidePostgres(await image("postgres")),
        outsideMinio(await image("minio"), "outside-password"),
    ]);
    await outsideSql(postgres, `create role tracking createdb login password '${password.replaceAll("'", "''")}'`);
    await outsideUser(minio, "somebody", "outside-secret", "old.artifacts", ["s3:*"]);
    const bringOwn = async () => {
        importOutput = await checkout.ok("import-env", [fileOf(".env", ownEnv()), "--stack", own, "--in-place"]);
        ({ outputs, runId } = await bring(own));
    };
    const bringExternal = async () => {
        await checkout.ok("import-env", [fileOf("other.env", externalEnv()), "--stack", external, "--keep-database"]);
        ({ outputs: otherOutputs, runId: otherRunId } = await bring(external));
    };
    await Promise.all([bringOwn(), bringExternal()]);
});
afterAll(async () => {
    await Promise.all(
        [own, external].map(async (stack) => {
            await checkout.run("delete-data", [stack]);
            rmSync(join(directory, `Pulumi.${stack}.yaml`), { force: true });
        }),
    );
    await Promise.all([postgres.remove(), minio.remove()]);
    rmSync(old, { recursive: true, force: true });
});

const store = (id: string, secret: string) =>
    new S3Client({
        endpoint: `https://127.0.0.1:${ports.s3}`,
        region: "us-east-1",
        forcePathStyle: true,
        credentials: { accessKeyId: id, secretAccessKey: secret },
        requestHandler: { httpsAgent: { ca: String(outputs.caCertificate) } },
    });
const key = () => store("compose-key", `secret ${password}`.slice(0, 40).trim());
const root = () => store("compose-root", `root ${password}`);

/** Rows that a query gives to whoever the server's URI logs in. */
function asServer(stack: string, uri: unknown, query: string): Promise<string> {
    const probe =
        "import psycopg2,sys; c=psycopg2.connect(sys.argv[1]).cursor(); c.execute(sys.argv[2]); print(*c.fetchone())";
    return docker("exec", `mlflow-platform-${stack}-mlflow`, "python3", "-c", probe, String(uri), query);
}

/** Status of an answer by TLS, checked against the stack's own authority. */
function statusOf(port: number): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
        const sent = request(
            { host: "127.0.0.1", port, ca: String(outputs.caCertificate), agent: false },
            (response) => {
                resolve(response.resume().statusCode);
            },
        );
        sent.on("error", reject).end();
    });
}

const observations: Readonly<Record<string, () => Promise<void>>> = {
    MLFLOW_PORT: async () => {
        const uri = `http://127.0.0.1:${ports.mlflow}`;
        expect(await runPython("log_and_read.py", [uri, "read", runId])).toEqual({ param: suffix, artifact: suffix });
    },
    MINIO_ACCESS_KEY: async () => {
        expect((await key().send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).toEqual([bucket]);
        expect(
            await docker("exec", `mlflow-platform-${own}-mlflow`, "sh", "-c", "cat /run/secrets/platform/aws*"),
        ).toMatch(/aws_access_key_id = compose-key$/m);
    },
    MINIO_SECRET_ACCESS_KEY: async () => {
        await expect(store("compose-key", "another-secret").send(new ListBucketsCommand({}))).rejects.toThrow();
        const { Contents } = await key().send(new ListObjectsV2Command({ Bucket: bucket }));
        expect(Contents?.map(({ Key }) => Key)).toContain(`0/${runId}/artifacts/note.txt`);
    },
    MINIO_HOST: async () => {
        expect(otherOutputs.minioEndpoint).toBe(`http://${gatewayName}:${minio.port}`);
        expect(await minio.mc("ls", "--recursive", "root/old.artifacts")).toContain(`${otherRunId}/artifacts/note.txt`);
        expect((await containersOf(external)).filter(({ Name }) => Name.includes("-minio"))).toEqual([]);
        // The Compose file's own is the one that runs here.
        expect((await container(own, "minio")).State.Health?.Status).toBe("healthy");
    },
    MINIO_PORT: async () => {
        expect(outputs.minioEndpoint).toBe(`https://127.0.0.1:${ports.s3}`);
        // Without a signature the store refuses, but it is the store that does.
        expect(await statusOf(ports.s3)).toBe(403);
    },
    PG_USER: async () => {
        expect(await asServer(own, outputs.pgUri, "select current_user")).toBe("compose user");
    },
    PG_PASSWORD: async () => {
        const uri = new URL(String(outputs.pgUri));
        expect(decodeURIComponent(uri.password)).toBe(password);
        uri.password = "another";
        await expect(asServer(own, uri.href, "select 1")).rejects.toThrow("password authentication failed");
    },
    PG_HOST: async () => {
        const found = await outsideSql(postgres, `select count(*) from params where value = '${suffix}'`, "old_runs");
        expect(found).toEqual(["1"]);
        expect((await containersOf(external)).filter(({ Name }) => Name.includes("-postgres"))).toEqual([]);
    },
    PG_PORT: async () => {
        expect(await sql(own, "show port", "compose runs")).toEqual(["6543"]);
        expect(new URL(String(otherOutputs.pgUri)).port).toBe(String(postgres.port));
    },
    PG_DATABASE: async () => {
        expect(await sql(own, `select count(*) from params where value = '${suffix}'`, "compose runs")).toEqual(["1"]);
    },
    MLFLOW_BUCKET_NAME: async () => {
        await root().send(new HeadBucketCommand({ Bucket: bucket }));
        await expect(root().send(new HeadBucketCommand({ Bucket: "mlflow" }))).rejects.toThrow();
    },
    MINIO_VOLUME_PATH: async () => {
        const mount = (await container(own, "minio")).Mounts.find(({ Destination }) => Destination === "/data");
        expect(mount).toMatchObject({ Type: "bind", Source: data });
        expect(readdirSync(join(data, bucket, "0", runId, "artifacts"))).toEqual(["note.txt"]);
    },
    MINIO_CONSOLE_ADDRESS: async () => {
        expect(outputs.minioConsoleUrl).toBe(`https://127.0.0.1:${ports.console}`);
        expect(await statusOf(ports.console)).toBe(200);
    },
    MINIO_ROOT_USER: async () => {
        expect((await root().send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).toEqual([bucket]);
        const files = await docker("exec", `mlflow-platform-${own}-mlflow`, "sh", "-c", "cat /run/secrets/platform/*");
        expect(files).not.toContain("compose-root");
    },
    MINIO_ROOT_PASSWORD: async () => {
        await expect(store("compose-root", "another-password").send(new ListBucketsCommand({}))).rejects.toThrow();
    },
    MINIO_STORAGE_USE_HTTPS: async () => {
        // Plain HTTP gets no answer from S3: what listens speaks TLS alone.
        const plain = await fetch(`http://127.0.0.1:${ports.s3}`).then(
            ({ status }) => status,
            () => undefined,
        );
        expect([undefined, 400]).toContain(plain);
        expect(await asServer(external, otherOutputs.pgUri, "select 1")).toBe("1");
        expect(String(otherOutputs.minioEndpoint)).toMatch(/^http:/);
    },
};

describe("each variable of the Compose file", () => {
    it("is in this table", () => {
        expect(Object.keys(observations)).toEqual([...composeKeys.keys()]);
    });

    it.concurrent.each(Object.entries(observations))("%s has its effect", async (_variable, observe) => {
        await observe();
    });
});

it("the table that was printed has every variable, and no secret", () => {
    for (const variable of composeKeys.keys()) {
        expect(importOutput).toContain(`│ ${variable} `);
    }
    for (const secret of [password, "secret pass", "root pass"]) {
        expect(importOutput).not.toContain(secret);
    }
    const file = readFileSync(join(directory, `Pulumi.${own}.yaml`), "utf8");
    expect(file).not.toContain("pass#word");
    expect(file.match(/secure: /g)).toHaveLength(3);
});

it("the same file again changes nothing", async () => {
    const file = join(directory, `Pulumi.${own}.yaml`);
    const before = readFileSync(file, "utf8");
    const again = await checkout.ok("import-env", [join(old, ".env"), "--stack", own, "--in-place"]);
    expect(again).toContain(`Stack ${own} has all of it already: nothing to change.`);
    expect(readFileSync(file, "utf8")).toBe(before);
    await checkout.pulumi(own, "preview", "--expect-no-changes", "--refresh");
});

it("another file is refused before anything changes: other values, and data that would be left behind", async () => {
    const file = join(directory, `Pulumi.${own}.yaml`);
    const before = readFileSync(file, "utf8");
    const port = fileOf("port.env", ownEnv().replace(String(ports.mlflow), "5999"));
    const secret = fileOf("secret.env", ownEnv().replaceAll("pass#word $HOME", "other#word"));
    const parted = fileOf("parted.env", ownEnv().replace(bucket, `another.${suffix}`));
    const [differs, other, refused] = await Promise.all([
        checkout.run("import-env", [port, "--stack", own, "--in-place"]),
        checkout.run("import-env", [secret, "--stack", own, "--in-place"]),
        checkout.run("import-env", [parted, "--stack", own, "--in-place", "--overwrite"]),
    ]);
    expect(differs.code).toBe(1);
    expect(differs.output).toContain(`mlflowPort: ${ports.mlflow} in the stack, 5999 by the file`);
    expect(other.code).toBe(1);
    expect(other.output).toMatch(/pgPassword: the stack has another value, which is secret/);
    expect(other.output).not.toContain("other#word");
    expect(refused.code).toBe(1);
    expect(refused.output).toContain("MLFLOW_BUCKET_NAME (mlflowBucketName): this stack's artifacts are in bucket");
    expect(readFileSync(file, "utf8")).toBe(before);
});

it("with --overwrite other values take the place of the stack's, and --dry-run shows that alone", async () => {
    const file = join(directory, `Pulumi.${own}.yaml`);
    const before = readFileSync(file, "utf8");
    const secret = fileOf("secret.env", ownEnv().replaceAll("pass#word $HOME", "other#word"));
    const args = [secret, "--stack", own, "--in-place", "--overwrite"];
    const dry = await checkout.ok("import-env", [...args, "--dry-run"]);
    expect(dry).toContain("Nothing was changed (--dry-run)");
    expect(readFileSync(file, "utf8")).toBe(before);
    try {
        await checkout.ok("import-env", args);
        const stored = await checkout.printed("pulumi", "config", "get", "pgPassword", "--stack", own);
        expect(stored).toBe(password.replace("pass#word $HOME", "other#word"));
    } finally {
        writeFileSync(file, before);
    }
});
