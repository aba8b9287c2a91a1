import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { Checkout } from "../support/checkout.ts";
import { container, containersOf, docker, dockerLines } from "../support/engine.ts";
import {
    type Certificates,
    type Outside,
    type OutsideMinio,
    certificates,
    gatewayName,
    outsideMinio,
    outsidePostgres,
    outsideSql,
    outsideUser,
} from "../support/outside.ts";
import { initStack } from "../support/platforms.ts";
import { runPython } from "../support/python.ts";

const { directory, stateHome, stack: neighbour } = inject("generated");
const checkout = Checkout.at(directory, stateHome);

// Everything printable in a keyboard's reach, and blanks inside.
const awkward = "p@:/ %#'\"$\\`{}|~^[]<>?;=&!*(),.+-_ 1";
const serverPassword = `${awkward}server`;
const ownerPassword = `${awkward}owner`;
const authPassword = `${awkward}auth`;
const adminPassword = `${awkward}admin`;
// An outside key's secret has the length that its store gives it: this MinIO takes 40 characters.
const secretKey = `s${awkward.slice(0, 30)}key`;

let images: { postgres: string; minio: string; mlflow: string };
let tls: Certificates;
beforeAll(async () => {
    const image = async (name: string) => (await container(neighbour, name)).Image;
    images = { postgres: await image("postgres"), minio: await image("minio"), mlflow: await image("mlflow") };
    tls = await certificates();
});

const suffix = randomBytes(2).toString("hex");
const text = `outside ${suffix}`;

const names = async (stack: string) =>
    (await containersOf(stack))
        .map(({ Name }) => Name.replace(`/mlflow-platform-${stack}-`, ""))
        .filter((name) => !name.endsWith("-seed"))
        .sort();

/** A stack of its own, given up at the end. */
function ownStack(name: string): string {
    const stack = `${name}-${suffix}`;
    beforeAll(async () => {
        await initStack(checkout, stack);
    });
    afterAll(async () => {
        await checkout.ok("delete-data", [stack]);
    });
    return stack;
}

// The three stacks know nothing of each other, so they go side by side; what is tried on one of them is in its order.
const it = (title: string, act: () => Promise<void>) => {
    test(title, { concurrent: false }, act);
};

const up = (stack: string) => checkout.cli(stack, ["up", "--yes", "--skip-preview"]);

/** A job's failure by plain `pulumi up`, with its words; and that no secret is in it. */
async function expectRed(stack: string, ...words: string[]): Promise<void> {
    const { code, output } = await up(stack);
    expect(code).not.toBe(0);
    for (const word of words) {
        expect(output).toContain(word);
    }
    for (const secret of [serverPassword, ownerPassword, secretKey]) {
        expect(output).not.toContain(secret.slice(0, 20));
    }
}

/** Green, with a run and an artifact that come back, and nothing to change after it. */
async function expectGreen(stack: string, login: NodeJS.ProcessEnv = {}): Promise<string> {
    const { code, output } = await up(stack);
    expect(output).not.toContain("error:");
    expect(code).toBe(0);
    const { trackingUri } = await checkout.outputs(stack);
    const uri = String(trackingUri);
    const { runId } = await runPython<{ runId: string }>("log_and_read.py", [uri, "log", text], login);
    expect(await runPython("log_and_read.py", [uri, "read", runId], login)).toEqual({ param: text, artifact: text });
    await checkout.pulumi(stack, "preview", "--expect-no-changes", "--refresh");
    return output;
}

describe.concurrent("somebody else's PostgreSQL", () => {
    const stack = ownStack("pg");
    let postgres: Outside;
    const sql = (statement: string, database?: string) => outsideSql(postgres, statement, database);
    beforeAll(async () => {
        postgres = await outsidePostgres(images.postgres);
        const password = serverPassword.replaceAll("'", "''");
        await sql(`create role "tracking user" login password '${password}'`);
        await checkout.set(stack, {
            pgHost: gatewayName,
            pgPort: String(postgres.port),
            pgUser: "tracking user",
            pgPassword: serverPassword,
            pgDatabase: "experiments & models",
            // Its own MinIO keeps its objects in a volume that is named.
            minioVolumeName: `objects-${suffix}`,
        });
    });
    afterAll(async () => {
        await postgres.remove();
    });

    it("is refused with the right that is missing, again and again", async () => {
        const missing = "migrate: database experiments & models does not exist, and role tracking user may not make it";
        await expectRed(stack, "job mlflow-migrate ended with exit code 78", missing);
        await expectRed(stack, "job mlflow-migrate ended with exit code 78", missing);
    });

    it("is used as soon as the right is there: database and schema are made, and none runs here", async () => {
        await sql('alter role "tracking user" createdb');
        const output = await expectGreen(stack);
        expect(output).toContain(
            "rights are not split: tracking user migrates the tables of database experiments & models",
        );
        expect(
            await sql("select count(*) from params where value = 'outside " + suffix + "'", "experiments & models"),
        ).toEqual(["1"]);
        expect(await names(stack)).toEqual(["minio", "minio-provision", "mlflow", "mlflow-migrate"]);
        expect(await dockerLines("volume", "ls", "--quiet", "--filter", `name=${stack}-postgres_data`)).toEqual([]);
        const { Mounts } = await container(stack, "minio");
        expect(Mounts.find(({ Destination }) => Destination === "/data")?.Source).toContain(`/objects-${suffix}/`);
        const { pgUri } = await checkout.outputs(stack);
        expect(new URL(String(pgUri)).hostname).toBe(gatewayName);
        expect(decodeURIComponent(new URL(String(pgUri)).password)).toBe(serverPassword);
    });

    it("is never migrated by the server: one with another schema makes it refuse to start", async () => {
        const name = `mlflow-platform-${stack}-mlflow`;
        const [head = ""] = await sql("select version_num from alembic_version", "experiments & models");
        const set = (revision: string) =>
            sql(`update alembic_version set version_num = '${revision}'`, "experiments & models");
        await set("0123456789ab");
        await docker("restart", name);
        const word = `database experiments & models is at schema revision 0123456789ab, this MLflow (3.17.2) is at ${head}`;
        const logs = async () => (await execa("docker", ["logs", "--tail", "20", name], { all: true })).all;
        const deadline = Date.now() + 60_000;
        while (!(await logs()).includes(word) && Date.now() < deadline) {
            await sleep(500);
        }
        expect(await logs()).toContain(word);
        const { State } = await container(stack, "mlflow");
        expect(State.Health?.Status).not.toBe("healthy");
        expect(await sql("select version_num from alembic_version", "experiments & models")).toEqual(["0123456789ab"]);
        await set(head);
        await docker("restart", name);
        await expectGreen(stack);
    });
});

describe.concurrent("somebody else's S3 store", () => {
    const stack = ownStack("s3");
    let minio: OutsideMinio;
    beforeAll(async () => {
        minio = await outsideMinio(images.minio, "outside-password");
        await outsideUser(minio, "somebody", secretKey, "artifacts.outside", ["s3:ListBucket"]);
        await checkout.pulumi(stack, "config", "rm", "minioConsoleAddress");
        await checkout.set(stack, {
            minioHost: gatewayName,
            minioPort: String(minio.port),
            minioAccessKey: "somebody",
            minioSecretAccessKey: secretKey,
            mlflowBucketName: "artifacts.outside",
        });
    });
    afterAll(async () => {
        await minio.remove();
    });

    it("is refused with the rights that are missing, all at once", async () => {
        await expectRed(
            stack,
            "job s3-bucket ended with exit code 78",
            "bucket: bucket artifacts.outside does not exist and somebody may not make it",
        );
        await minio.mc("mb", "root/artifacts.outside");
        await expectRed(stack, "bucket: somebody lacks s3:PutObject", "on bucket artifacts.outside");
    });

    it("is used as soon as the rights are there, and none runs here", async () => {
        await minio.mc("rb", "root/artifacts.outside");
        await outsideUser(minio, "somebody", secretKey, "artifacts.outside", ["s3:*"]);
        await expectGreen(stack);
        expect(await minio.mc("ls", "--recursive", "root/artifacts.outside")).toContain("artifacts/note.txt");
        expect(await names(stack)).toEqual(["mlflow", "mlflow-migrate", "postgres", "s3-bucket"]);
        expect(await dockerLines("volume", "ls", "--quiet", "--filter", `name=${stack}-minio_data`)).toEqual([]);
        const outputs = await checkout.outputs(stack);
        expect(outputs.minioEndpoint).toBe(`http://${gatewayName}:${minio.port}`);
        expect(Object.keys(outputs)).not.toContain("minioRootPassword");
    });
});

describe.concurrent("both of somebody else's, by TLS, with an owner beside the server's role", () => {
    const stack = ownStack("both");
    let postgres: Outside;
    let minio: OutsideMinio;
    const file = (name: string, content: string) => {
        writeFileSync(join(checkout.directory, name), content);
        return name;
    };
    beforeAll(async () => {
        [postgres, minio] = await Promise.all([
            outsidePostgres(images.postgres, tls),
            outsideMinio(images.minio, "outside-password", tls),
        ]);
        await outsideUser(minio, "somebody", secretKey, "artifacts", ["s3:*"]);
        await checkout.pulumi(stack, "config", "rm", "minioConsoleAddress");
        for (const [role, password, right] of [
            ["owner", ownerPassword, "createdb"],
            ["server", serverPassword, "nocreatedb"],
            ["users", authPassword, "nocreatedb"],
        ] as const) {
            await outsideSql(
                postgres,
                `create role ${role} ${right} login password '${password.replaceAll("'", "''")}'`,
            );
        }
        await checkout.set(stack, {
            pgHost: gatewayName,
            pgPort: String(postgres.port),
            pgUser: "server",
            pgPassword: serverPassword,
            pgOwnerUser: "owner",
            pgOwnerPassword: ownerPassword,
            mlflowAuth: "true",
            adminPassword,
            pgAuthUser: "users",
            pgAuthPassword: authPassword,
            pgSslMode: "verify-full",
            pgCaFile: file("pg-ca.pem", tls.other),
            minioHost: gatewayName,
            minioPort: String(minio.port),
            minioStorageUseHttps: "true",
            minioCaFile: file("s3-ca.pem", tls.other),
            minioAccessKey: "somebody",
            minioSecretAccessKey: secretKey,
            mlflowBucketName: "artifacts",
        });
    });
    afterAll(async () => {
        await Promise.all([postgres.remove(), minio.remove()]);
    });

    it("is refused with the wrong authority, by each", async () => {
        await expectRed(stack, "minioCaFile", "certificate");
        file("s3-ca.pem", tls.authority);
        await expectRed(stack, "pgCaFile", "certificate verify failed");
    });

    it("is used with the right one: nothing but the server runs here, and it cannot change a table", async () => {
        file("pg-ca.pem", tls.authority);
        const login = { MLFLOW_TRACKING_USERNAME: "admin", MLFLOW_TRACKING_PASSWORD: adminPassword };
        const output = await expectGreen(stack, login);
        expect(output).not.toContain("rights are not split");
        expect(await names(stack)).toEqual(["mlflow", "mlflow-migrate", "s3-bucket"]);
        const reader =
            "select has_table_privilege($$users$$, $$mlflow_auth.users$$, $$select, insert, update, delete$$)";
        expect(await outsideSql(postgres, reader, "mlflow")).toEqual(["t"]);
        const other = "select has_schema_privilege($$server$$, $$mlflow_auth$$, $$usage$$)";
        expect(await outsideSql(postgres, other, "mlflow")).toEqual(["f"]);
        const owners = "select distinct tableowner from pg_tables where schemaname = 'public'";
        expect(await outsideSql(postgres, owners, "mlflow")).toEqual(["owner"]);
        const encrypted =
            "select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'server'";
        expect(await outsideSql(postgres, encrypted)).toEqual(["t"]);
        const probe =
            "import psycopg2,sys\n" +
            "c=psycopg2.connect(sys.argv[1]).cursor()\n" +
            "try: c.execute('create table t (i int)'); print('made')\n" +
            "except psycopg2.errors.InsufficientPrivilege: print('refused')";
        const { pgUri } = await checkout.outputs(stack);
        expect(await docker("exec", `mlflow-platform-${stack}-mlflow`, "python3", "-c", probe, String(pgUri))).toBe(
            "refused",
        );
    });

    it("keeps all passwords out of the containers' configuration", async () => {
        const inspected = JSON.stringify(await containersOf(stack));
        for (const secret of [serverPassword, ownerPassword, authPassword, adminPassword, secretKey]) {
            expect(inspected).not.toContain(JSON.stringify(secret).slice(1, 20));
        }
    });
});
