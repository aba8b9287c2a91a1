import {
    AbortMultipartUploadCommand,
    CopyObjectCommand,
    CreateBucketCommand,
    CreateMultipartUploadCommand,
    DeleteBucketCommand,
    DeleteBucketLifecycleCommand,
    DeleteBucketPolicyCommand,
    DeleteObjectCommand,
    DeleteObjectsCommand,
    GetBucketLocationCommand,
    GetBucketPolicyCommand,
    GetBucketVersioningCommand,
    GetObjectCommand,
    ListBucketsCommand,
    ListMultipartUploadsCommand,
    ListObjectVersionsCommand,
    ListObjectsV2Command,
    ListPartsCommand,
    PutBucketAclCommand,
    PutBucketEncryptionCommand,
    PutBucketLifecycleConfigurationCommand,
    PutBucketNotificationConfigurationCommand,
    PutBucketPolicyCommand,
    PutBucketReplicationCommand,
    PutBucketTaggingCommand,
    PutBucketVersioningCommand,
    PutObjectCommand,
    PutObjectLegalHoldCommand,
    PutObjectLockConfigurationCommand,
    PutObjectTaggingCommand,
    S3Client,
    S3ServiceException,
    UploadPartCommand,
    UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { docker, healthy, sql } from "../support/engine.ts";
import { type MinioClient, minioClient } from "../support/minioClient.ts";
import { plantedValues } from "../support/platforms.ts";

// What must not work is tried: each attempt has to be refused for want of the right, and what is needed has to work.
const { stack, ports } = inject("planted");
const value = (name: string) => plantedValues[name]?.value ?? "";
const address = `http://${value("bindAddress")}:${ports.s3}`;
const own = value("mlflowBucketName");
const accessKey = value("minioAccessKey");
const database = value("pgDatabase");
const owner = value("pgOwnerUser");

const s3 = (accessKeyId: string, secretAccessKey: string, sessionToken?: string) =>
    new S3Client({
        endpoint: address,
        region: "us-east-1",
        forcePathStyle: true,
        credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    });
const key = s3(accessKey, value("minioSecretAccessKey"));
const root = s3(value("minioRootUser"), value("minioRootPassword"));

/** An object in MLflow's bucket. */
const mine = { Bucket: own, Key: "attempts/mine" };
/** A bucket of root's, with one object and one upload that is not complete. */
const other = `other-than-${stack}`;
const secret = { Bucket: other, Key: "secret.txt" };
let upload: { Bucket: string; Key: string; UploadId: string | undefined };

/** On the stack's network; it knows the server as `key` and as `root`. */
let client: MinioClient;
/** An access key that root makes for itself. */
const rootsAccount = "account-of-root";

const dump = "/tmp/empty.zip";
const job = "/tmp/job.yaml";
const policy = "/tmp/policy.json";
const everything = { Effect: "Allow", Action: ["s3:*"], Resource: ["arn:aws:s3:::*"] };
const files = `
base64 --decode <<<UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA== >${dump}
echo '${JSON.stringify({ Version: "2012-10-17", Statement: [everything] })}' >${policy}
echo '{expire: {apiVersion: v1, bucket: ${own}, rules: [{type: object, name: none-of-this-name}]}}' >${job}`;

/** Runs a program in that container; its output may be an error's. */
async function run(args: readonly string[], input: string): Promise<string> {
    const { stdout } = await execa("docker", ["exec", "--interactive", client.name, ...args], { input, reject: false });
    return stdout;
}

/** What a command of mc answered: "success", or the code of the refusal, and all of it. */
function answered(output: string): Record<string, unknown> & { answer: string } {
    const said = JSON.parse(output.split("\n")[0] ?? "") as {
        status?: string;
        error?: string | { cause: { message: string; error: { Code?: string } } };
    };
    const { error } = said;
    const refusal = typeof error === "object" ? (error.cause.error.Code ?? error.cause.message) : error;
    return { ...said, answer: refusal ?? said.status ?? output };
}

/** Runs a command of mc. */
async function mc(command: string, input = ""): Promise<ReturnType<typeof answered>> {
    return answered(await run(["mc", "--json", ...command.split(" ")], input));
}

/** Runs many, one after the other; the first line of what each prints. */
async function mcEach(commands: readonly string[]): Promise<Map<string, string>> {
    const script = `while read -r command; do
        echo "$(timeout 10 mc --json $command <<<"region name=us-east-1" 2>&1 | head -n 1)"
    done`;
    const lines = (await run(["bash", "-c", script], commands.map((command) => `${command}\n`).join(""))).split("\n");
    return new Map(commands.map((command, at) => [command, lines[at] ?? ""]));
}

beforeAll(async () => {
    await root.send(new PutObjectCommand({ ...mine, Body: "for MLflow" }));
    await root.send(new CreateBucketCommand({ Bucket: other }));
    await root.send(new PutObjectCommand({ ...secret, Body: "not for MLflow" }));
    const { UploadId } = await root.send(new CreateMultipartUploadCommand({ Bucket: other, Key: "upload" }));
    upload = { Bucket: other, Key: "upload", UploadId };

    client = await minioClient(`mlflow-platform-${stack}-backend`);
    for (const [alias, user, password] of [
        ["key", accessKey, value("minioSecretAccessKey")],
        ["root", value("minioRootUser"), value("minioRootPassword")],
    ] as const) {
        const credentials = { url: "http://minio:9000", accessKey: user, secretKey: password, api: "S3v4", path: "on" };
        expect((await mc(`alias import ${alias}`, JSON.stringify(credentials))).answer).toBe("success");
    }
    await run(["bash"], files);
    expect((await mc(`admin accesskey create root --access-key ${rootsAccount}`)).answer).toBe("success");
});

afterAll(async () => {
    await mc(`admin accesskey remove root ${rootsAccount}`);
    await client.remove();
    await root.send(new DeleteObjectCommand(mine));
    await root.send(new AbortMultipartUploadCommand(upload));
    await root.send(new DeleteObjectCommand(secret));
    await root.send(new DeleteBucketCommand({ Bucket: other }));
});

/** "allowed", or the code with which S3 refused. */
async function outcome(attempt: Promise<unknown>): Promise<string> {
    try {
        await attempt;
        return "allowed";
    } catch (error) {
        if (error instanceof S3ServiceException) {
            return error.name;
        }
        throw error;
    }
}

type Attempt = [string, () => Promise<unknown>];

describe("MLflow's key may, in its own bucket,", () => {
    const copy = { Bucket: own, Key: "attempts/copy" };
    const parts = { Bucket: own, Key: "attempts/parts" };

    it.each<Attempt>([
        ["put an object", () => key.send(new PutObjectCommand({ ...mine, Body: "x" }))],
        ["list objects", () => key.send(new ListObjectsV2Command({ Bucket: own }))],
        ["get an object", () => key.send(new GetObjectCommand(mine))],
        ["copy an object", () => key.send(new CopyObjectCommand({ ...copy, CopySource: `${own}/${mine.Key}` }))],
        ["delete an object", () => key.send(new DeleteObjectCommand(copy))],
        ["ask for its location", () => key.send(new GetBucketLocationCommand({ Bucket: own }))],
    ])("%s", async (_name, attempt) => {
        expect(await outcome(attempt())).toBe("allowed");
    });

    it("begin an upload in parts, list it, and abort it", async () => {
        const { UploadId } = await key.send(new CreateMultipartUploadCommand(parts));
        await key.send(new UploadPartCommand({ ...parts, UploadId, PartNumber: 1, Body: "x" }));
        expect((await key.send(new ListPartsCommand({ ...parts, UploadId }))).Parts?.length).toBe(1);
        const ongoing = new ListMultipartUploadsCommand({ Bucket: own, Prefix: parts.Key });
        expect((await key.send(ongoing)).Uploads?.length).toBe(1);
        await key.send(new AbortMultipartUploadCommand({ ...parts, UploadId }));
        expect((await key.send(ongoing)).Uploads ?? []).toEqual([]);
    });
});

describe("MLflow's key may not", () => {
    const Bucket = own;
    const from = `${other}/${secret.Key}`;
    const open = { Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: `arn:aws:s3:::${own}/*` };
    const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [open] });
    const soon = { ID: "all", Status: "Enabled", Filter: { Prefix: "" }, Expiration: { Days: 1 } } as const;
    const Destination = { Bucket: `arn:aws:s3:::${other}` };
    const tags = { TagSet: [{ Key: "a", Value: "b" }] };

    it.each<Attempt>([
        ["list another bucket", () => key.send(new ListObjectsV2Command({ Bucket: other }))],
        ["list versions in it", () => key.send(new ListObjectVersionsCommand({ Bucket: other }))],
        ["list uploads in it", () => key.send(new ListMultipartUploadsCommand({ Bucket: other }))],
        ["ask for its location", () => key.send(new GetBucketLocationCommand({ Bucket: other }))],
        ["get from it", () => key.send(new GetObjectCommand(secret))],
        ["put into it", () => key.send(new PutObjectCommand({ Bucket: other, Key: "new", Body: "x" }))],
        ["put over what is there", () => key.send(new PutObjectCommand({ ...secret, Body: "x" }))],
        ["delete in it", () => key.send(new DeleteObjectCommand(secret))],
        ["copy from it", () => key.send(new CopyObjectCommand({ ...mine, CopySource: from }))],
        ["copy into it", () => key.send(new CopyObjectCommand({ ...secret, CopySource: `${own}/${mine.Key}` }))],
        ["begin an upload in it", () => key.send(new CreateMultipartUploadCommand({ Bucket: other, Key: "new" }))],
        ["go on with one", () => key.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: "x" }))],
        ["list one's parts", () => key.send(new ListPartsCommand(upload))],
        ["abort one", () => key.send(new AbortMultipartUploadCommand(upload))],
        ["delete it", () => key.send(new DeleteBucketCommand({ Bucket: other }))],
        ["make a bucket", () => key.send(new CreateBucketCommand({ Bucket: `new-in-${stack}` }))],
        ["delete its own bucket", () => key.send(new DeleteBucketCommand({ Bucket }))],
        ["read its policy", () => key.send(new GetBucketPolicyCommand({ Bucket }))],
        ["open it to everybody by a policy", () => key.send(new PutBucketPolicyCommand({ Bucket, Policy }))],
        ["open it to everybody by an ACL", () => key.send(new PutBucketAclCommand({ Bucket, ACL: "public-read" }))],
        ["delete its policy", () => key.send(new DeleteBucketPolicyCommand({ Bucket }))],
        ["ask for versioning", () => key.send(new GetBucketVersioningCommand({ Bucket }))],
        [
            "switch versioning on",
            () => key.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } })),
        ],
        [
            "let its objects expire",
            () =>
                key.send(
                    new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: [soon] } }),
                ),
        ],
        ["take expiry away", () => key.send(new DeleteBucketLifecycleCommand({ Bucket }))],
        [
            "set its encryption",
            () =>
                key.send(
                    new PutBucketEncryptionCommand({
                        Bucket,
                        ServerSideEncryptionConfiguration: {
                            Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }],
                        },
                    }),
                ),
        ],
        [
            "lock its objects",
            () =>
                key.send(
                    new PutObjectLockConfigurationCommand({
                        Bucket,
                        ObjectLockConfiguration: { ObjectLockEnabled: "Enabled" },
                    }),
                ),
        ],
        ["hold an object", () => key.send(new PutObjectLegalHoldCommand({ ...mine, LegalHold: { Status: "ON" } }))],
        ["tag it", () => key.send(new PutBucketTaggingCommand({ Bucket, Tagging: tags }))],
        ["tag an object", () => key.send(new PutObjectTaggingCommand({ ...mine, Tagging: tags }))],
        [
            "have its events sent",
            () => key.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration: {} })),
        ],
        [
            "have it copied elsewhere",
            () =>
                key.send(
                    new PutBucketReplicationCommand({
                        Bucket,
                        ReplicationConfiguration: { Role: "any", Rules: [{ Status: "Enabled", Destination }] },
                    }),
                ),
        ],
    ])("%s", async (_name, attempt) => {
        expect(await outcome(attempt())).toBe("AccessDenied");
    });

    it("delete many objects of another bucket at once", async () => {
        const objects = { Objects: [{ Key: secret.Key }] };
        const { Errors } = await key.send(new DeleteObjectsCommand({ Bucket: other, Delete: objects }));
        expect(Errors?.map(({ Key, Code }) => [Key, Code])).toEqual([[secret.Key, "AccessDenied"]]);
    });

    it("copy from another bucket in parts", async () => {
        const parts = { Bucket: own, Key: "attempts/parts" };
        const { UploadId } = await key.send(new CreateMultipartUploadCommand(parts));
        const part = new UploadPartCopyCommand({ ...parts, UploadId, PartNumber: 1, CopySource: from });
        expect(await outcome(key.send(part))).toBe("AccessDenied");
        await key.send(new AbortMultipartUploadCommand({ ...parts, UploadId }));
    });

    it("see another bucket in the list of buckets, which root does", async () => {
        const names = async (whose: S3Client) =>
            (await whose.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name);
        expect(await names(key)).toEqual([own]);
        expect((await names(root))?.sort()).toEqual([other, own].sort());
    });

    it("have changed anything of root's by all that", async () => {
        const { Contents } = await root.send(new ListObjectsV2Command({ Bucket: other }));
        expect(Contents?.map(({ Key }) => Key)).toEqual([secret.Key]);
        const { Body } = await root.send(new GetObjectCommand(secret));
        expect(await Body?.transformToString()).toBe("not for MLflow");
    });
});

describe("without a key nobody may", () => {
    it.each([
        ["GET", "/"],
        ["GET", `/${own}`],
        ["GET", `/${own}?list-type=2`],
        ["GET", `/${own}/${mine.Key}`],
        ["GET", `/${other}/${secret.Key}`],
        ["PUT", `/${own}/attempts/anonymous`],
        ["DELETE", `/${own}/${mine.Key}`],
        ["POST", `/${own}/attempts/anonymous?uploads`],
        ["PUT", `/anonymous-in-${stack}`],
        ["DELETE", `/${own}`],
        ["GET", "/minio/admin/v3/info"],
        ["GET", "/minio/admin/v3/accountinfo"],
        ["GET", "/minio/v2/metrics/cluster"],
    ])("%s %s", async (method, path) => {
        const response = await fetch(`${address}${path}`, { method });
        expect(response.status).toBe(403);
        expect(await response.text()).toContain("AccessDenied");
    });

    it("miss what is there: the same addresses, signed, exist", async () => {
        expect(await outcome(key.send(new GetObjectCommand(mine)))).toBe("allowed");
        expect(await outcome(root.send(new GetObjectCommand(secret)))).toBe("allowed");
    });
});

describe("MLflow's key may not administer MinIO:", () => {
    /** Commands of mc as `key`; where the code is another than AccessDenied, with it. */
    const refused: [string, string?][] = [
        // Its answer has no code.
        ["admin info key", "Access Denied."],
        ["admin update key"],
        ["admin user add key somebody some-password"],
        ["admin user disable key somebody"],
        ["admin user enable key somebody"],
        ["admin user remove key somebody"],
        ["admin user list key"],
        ["admin user info key somebody"],
        [`admin user info key ${accessKey}`],
        ["admin user policy key somebody"],
        [`admin user svcacct add key ${accessKey}`],
        [`admin user svcacct add key ${value("minioRootUser")}`],
        [`admin user svcacct list key ${value("minioRootUser")}`],
        [`admin user svcacct info key ${rootsAccount}`],
        [`admin user svcacct edit key ${rootsAccount} --secret-key some-password`],
        [`admin user svcacct enable key ${rootsAccount}`],
        [`admin user svcacct disable key ${rootsAccount}`],
        // Whether there is one is not told.
        [`admin user svcacct remove key ${rootsAccount}`, "XMinioInvalidIAMCredentials"],
        ["admin user sts info key somebody"],
        [`admin accesskey create key ${value("minioRootUser")}`],
        [`admin accesskey list key ${value("minioRootUser")}`],
        ["admin accesskey create key"],
        ["admin accesskey list key --self"],
        ["admin accesskey list key --all"],
        [`admin accesskey info key ${rootsAccount}`],
        [`admin accesskey edit key ${rootsAccount} --secret-key some-password`],
        [`admin accesskey enable key ${rootsAccount}`],
        [`admin accesskey disable key ${rootsAccount}`],
        [`admin accesskey remove key ${rootsAccount}`, "XMinioInvalidIAMCredentials"],
        [`admin group add key some-group ${accessKey}`],
        ["admin group remove key some-group"],
        ["admin group info key some-group"],
        ["admin group list key"],
        ["admin group enable key some-group"],
        ["admin group disable key some-group"],
        [`admin policy create key some-policy ${policy}`],
        ["admin policy list key"],
        ["admin policy info key mlflow-platform"],
        ["admin policy entities key"],
        ["admin replicate add key root"],
        ["admin replicate update key --deployment-id some-id --endpoint http://minio:9000"],
        ["admin replicate remove key --all --force"],
        ["admin replicate info key"],
        ["admin replicate status key"],
        ["admin replicate resync start key root"],
        ["admin replicate resync status key root"],
        ["admin replicate resync cancel key root"],
        ["admin config get key region"],
        ["admin config set key region name=us-east-1"],
        ["admin config reset key region"],
        ["admin config history key"],
        ["admin config restore key some-id"],
        ["admin config export key"],
        ["admin config import key"],
        ["admin kms key create key some-key"],
        ["admin kms key status key"],
        ["admin kms key list key"],
        ["admin logs key"],
        [`admin cluster bucket import key ${dump}`],
        [`admin cluster iam import key ${dump}`],
        // These are answered without a body.
        ["admin cluster bucket export key", "403 Forbidden"],
        ["admin cluster iam export key", "403 Forbidden"],
        ["admin prometheus metrics key", "403 Forbidden"],
        ["admin scanner status key", "403 Forbidden"],
        ["admin scanner trace key", "403 Forbidden"],
        ["admin trace key", "403 Forbidden"],
        ["support top locks key"],
        ["batch list key"],
        [`batch start key ${job}`],
        ["batch status key some-job"],
        ["batch describe key some-job"],
        ["batch cancel key some-job"],
        ["idp openid list key"],
        ["idp openid add key some-provider client_id=x"],
        ["idp ldap list key"],
        ["ilm tier list key"],
        [`ilm tier add minio key T --endpoint http://x --access-key xxx --secret-key xxxxxxxx --bucket ${other}`],
        [`quota info key/${own}`],
        [`quota set key/${own} --size 1GiB`],
        [`quota clear key/${own}`],
        // Last, what would change the outcome of others if it were done.
        [`admin policy attach key consoleAdmin --user ${accessKey}`],
        [`admin policy create key mlflow-platform ${policy}`],
        [`admin policy detach key mlflow-platform --user ${accessKey}`],
        ["admin policy remove key mlflow-platform"],
        [`admin user add key ${accessKey} some-password`],
        [`admin user disable key ${accessKey}`],
        [`admin user remove key ${accessKey}`],
        ["admin service unfreeze key"],
        ["admin service restart key"],
    ];
    /** A server with one disk has none of these, whoever asks. */
    const absent = [
        "admin decommission start key /data",
        "admin decommission status key",
        "admin decommission cancel key /data",
        "admin heal key",
        "admin rebalance start key",
        "admin rebalance status key",
        "admin rebalance stop key",
    ];

    const asRoot = (command: string) => command.replace(" key", " root");
    let lines: Map<string, string>;
    beforeAll(async () => {
        lines = await mcEach([...absent, ...absent.map(asRoot), ...refused.map(([command]) => command)]);
    });
    const answer = (command: string) => answered(lines.get(command) ?? "").answer;

    it.each(refused)("%s", (command, code = "AccessDenied") => {
        expect(answer(command)).toBe(code);
    });

    it.each(absent)("%s", (command) => {
        expect(answer(command)).toBe("XMinioAdminVersionMismatch");
        expect(answer(asRoot(command))).toBe("XMinioAdminVersionMismatch");
    });

    it("no command of mc admin is missing here", async () => {
        const commands = `commands() {
            local found name
            found=$("$@" --help | sed -n '/^COMMANDS:/,/^ *$/s/^  \\([a-z-]\\+\\).*/\\1/p')
            [ -n "$found" ] || echo "$@"
            for name in $found; do commands "$@" "$name"; done
        }
        commands mc admin`;
        const all = (await run(["bash"], commands)).split("\n").map((command) => command.replace(/^mc /, ""));
        const tried = [...refused.map(([command]) => command), ...absent];
        expect(all).toContain("admin user svcacct add");
        // One asks the server nothing, the other has become a part of `mc support`.
        expect(all.filter((command) => !tried.some((one) => one.startsWith(`${command} key`)))).toEqual([
            "admin prometheus generate",
            "admin top locks",
        ]);
    });

    it("root may, by the same client; and nothing has changed", async () => {
        expect(await mc("admin user list root")).toMatchObject({
            answer: "success",
            accessKey,
            policyName: "mlflow-platform",
            userStatus: "enabled",
        });
        expect(await mc(`admin accesskey info root ${rootsAccount}`)).toMatchObject({ answer: "success" });
        expect((await mc("admin info root")).answer).toBe("success");
    });
});

it("a session that MLflow's key opens, as the console does, may do what the key may and no more", async () => {
    const script = `
import boto3, json, os
sts = boto3.client("sts", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
made = sts.assume_role(RoleArn="arn:aws:iam::0:role/any", RoleSessionName="attempt", DurationSeconds=900)["Credentials"]
print(json.dumps([made[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]))`;
    const made = await docker("exec", `mlflow-platform-${stack}-mlflow`, "python3", "-c", script);
    const [id = "", password = "", token] = JSON.parse(made) as string[];
    const session = s3(id, password, token);
    for (const [attempt, expected] of [
        [() => session.send(new ListObjectsV2Command({ Bucket: own })), "allowed"],
        [() => session.send(new GetObjectCommand(mine)), "allowed"],
        [() => session.send(new PutObjectCommand({ ...mine, Body: "x" })), "allowed"],
        [() => session.send(new ListObjectsV2Command({ Bucket: other })), "AccessDenied"],
        [() => session.send(new GetObjectCommand(secret)), "AccessDenied"],
    ] as const) {
        expect(await outcome(attempt())).toBe(expected);
    }
    expect((await session.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).toEqual([own]);
});

/** Prints for each statement "allowed" or the code of the refusal, or why there is no connection. Nothing stays. */
const attempts = `
import json, os, psycopg2, sys
asked = json.load(sys.stdin)
outside_transactions = ("CREATE DATABASE", "DROP DATABASE", "CREATE TABLESPACE", "ALTER SYSTEM")
def attempt(connection, statement):
    connection.autocommit = statement.startswith(outside_transactions)
    try:
        connection.cursor().execute(statement)
        return "allowed"
    except psycopg2.Error as error:
        return error.pgcode
    finally:
        connection.rollback()
try:
    uri = os.environ["MLFLOW_BACKEND_STORE_URI"].replace("+psycopg2", "")
    connection = psycopg2.connect(uri, **asked["login"])
    answers = [attempt(connection, statement) for statement in asked["statements"]]
except psycopg2.OperationalError as error:
    answers = [str(error) for statement in asked["statements"]]
print(json.dumps(answers))`;

/** Tries statements from MLflow's container, as MLflow's server does or by another login. */
async function tried(login: Record<string, string>, statements: readonly string[]): Promise<Map<string, string>> {
    const args = ["exec", "--interactive", `mlflow-platform-${stack}-mlflow`, "python3", "-c", attempts];
    const { stdout } = await execa("docker", args, { input: JSON.stringify({ login, statements }) });
    const answers = JSON.parse(stdout) as string[];
    return new Map(statements.map((statement, at) => [statement, answers[at] ?? ""]));
}

/** The server's machine, its settings, its other roles and databases are nobody's but the superuser's. */
const superusers = [
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "SELECT pg_stat_file('/etc/passwd')",
    "COPY runs FROM PROGRAM 'true'",
    "COPY runs TO PROGRAM 'true'",
    "COPY runs (run_uuid) FROM '/etc/passwd'",
    "COPY runs TO '/tmp/runs'",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/object')",
    "LOAD '/tmp/library.so'",
    "CREATE FUNCTION attempt() RETURNS int LANGUAGE c AS '/tmp/library', 'attempt'",
    "CREATE EXTENSION file_fdw",
    "CREATE EXTENSION dblink",
    "CREATE FOREIGN DATA WRAPPER attempt",
    "CREATE EVENT TRIGGER attempt ON ddl_command_start EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE SUBSCRIPTION attempt CONNECTION 'dbname=x' PUBLICATION attempt WITH (connect = false)",
    "CREATE TABLESPACE attempt LOCATION '/missing'",
    "CREATE DATABASE attempt",
    "ALTER DATABASE postgres SET work_mem = '1MB'",
    "CREATE ROLE attempt",
    "DROP ROLE mlflow_platform_server",
    "ALTER ROLE SESSION_USER SUPERUSER",
    "ALTER ROLE SESSION_USER CREATEROLE",
    "ALTER ROLE SESSION_USER CREATEDB",
    "ALTER ROLE SESSION_USER REPLICATION",
    "ALTER ROLE SESSION_USER BYPASSRLS",
    "ALTER ROLE SESSION_USER VALID UNTIL 'infinity'",
    "ALTER ROLE postgres PASSWORD 'attempt'",
    "ALTER ROLE ALL SET work_mem = '1MB'",
    "GRANT pg_read_server_files TO SESSION_USER",
    "GRANT postgres TO SESSION_USER",
    "SET ROLE postgres",
    "SET ROLE pg_read_all_data",
    "SET SESSION AUTHORIZATION postgres",
    "ALTER SYSTEM SET work_mem = '1MB'",
    "SET session_replication_role = replica",
    "SET log_statement = 'none'",
    "SELECT current_setting('hba_file')",
    "SELECT * FROM pg_hba_file_rules",
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_shadow",
    "SELECT * FROM pg_statistic",
    "UPDATE pg_class SET relname = relname",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    "SELECT pg_reload_conf()",
    "SELECT pg_switch_wal()",
    "SELECT pg_backup_start('attempt')",
    "SELECT pg_stat_reset()",
    "SELECT pg_create_physical_replication_slot('attempt')",
    "CHECKPOINT",
];

describe("MLflow's database role may not run:", () => {
    const statements = [
        ...superusers,
        "CREATE TABLE attempt (i int)",
        "CREATE TABLE attempt AS SELECT * FROM runs",
        "CREATE TEMP TABLE attempt (i int)",
        "CREATE VIEW attempt AS SELECT 1",
        "CREATE SEQUENCE attempt",
        "CREATE TYPE attempt AS ENUM ('a')",
        "CREATE FUNCTION attempt() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION pg_temp.attempt() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DO $$ BEGIN EXECUTE 'CREATE TABLE attempt (i int)'; END $$",
        "CREATE SCHEMA attempt",
        "CREATE EXTENSION hstore",
        "CREATE PUBLICATION attempt",
        "ALTER TABLE runs ADD COLUMN attempt int",
        "ALTER TABLE runs OWNER TO SESSION_USER",
        "ALTER TABLE runs DISABLE TRIGGER ALL",
        "DROP TABLE runs",
        "TRUNCATE runs",
        "GRANT TRUNCATE ON runs TO SESSION_USER; TRUNCATE runs",
        "CREATE INDEX attempt ON runs (name)",
        "CREATE RULE attempt AS ON DELETE TO runs DO INSTEAD NOTHING",
        "CREATE TRIGGER attempt BEFORE INSERT ON runs EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "COMMENT ON TABLE runs IS 'attempt'",
        "REINDEX TABLE runs",
        `DROP DATABASE "${database}"`,
        `ALTER DATABASE "${database}" RENAME TO attempt`,
        `ALTER DATABASE "${database}" SET work_mem = '1MB'`,
        `ALTER DATABASE "${database}" CONNECTION LIMIT 0`,
        `SET ROLE "${owner}"`,
        "SET ROLE mlflow_platform_owner",
        `SET SESSION AUTHORIZATION "${owner}"`,
        "GRANT mlflow_platform_owner TO SESSION_USER",
        `ALTER ROLE "${owner}" PASSWORD 'attempt'`,
        `DROP ROLE "${owner}"`,
        "REASSIGN OWNED BY mlflow_platform_owner TO SESSION_USER",
        "DROP OWNED BY mlflow_platform_owner",
        "ALTER DEFAULT PRIVILEGES FOR ROLE mlflow_platform_owner GRANT ALL ON TABLES TO PUBLIC",
    ];
    let answers: Map<string, string>;
    beforeAll(async () => {
        answers = await tried({}, statements);
    });

    it.each(statements)("%s", (statement) => {
        expect(answers.get(statement)).toBe("42501");
    });
});

describe("MLflow's database role may", () => {
    const statements = [
        "SELECT * FROM runs",
        "INSERT INTO experiments (name, lifecycle_stage) VALUES ('attempt', 'active')",
        "UPDATE runs SET name = name",
        "DELETE FROM tags",
        // PostgreSQL lets every role do these.
        "ALTER ROLE SESSION_USER PASSWORD 'attempt'",
        "ALTER ROLE SESSION_USER SET work_mem = '1MB'",
        "SELECT lo_from_bytea(0, 'attempt')",
    ];
    let answers: Map<string, string>;
    beforeAll(async () => {
        answers = await tried({}, statements);
    });

    it.each(statements)("%s", (statement) => {
        expect(answers.get(statement)).toBe("allowed");
    });

    it("have its four rights on every table, and no fifth on any", async () => {
        const from = "FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
        const tables = async (condition: string) => sql(stack, `SELECT relname ${from} AND ${condition}`, database);
        const has = (rights: string) => `has_table_privilege('${value("pgUser")}', oid, '${rights}')`;
        const four = ["SELECT", "INSERT", "UPDATE", "DELETE"].map(has).join(" AND ");
        expect(await tables(four)).toContain("runs");
        expect(await tables(`NOT (${four})`)).toEqual([]);
        expect(await tables(has("TRUNCATE, REFERENCES, TRIGGER, MAINTAIN"))).toEqual([]);
    });
});

const tablesOwner = { user: owner, password: value("pgOwnerPassword") };

// Its login acts as the group that owns the tables, and can leave it.
describe.each([
    ["as the group", {}],
    ["as itself", { options: "-c role=none" }],
])("the tables' owner, %s, may not run:", (_name, options) => {
    const statements = [
        ...superusers,
        "SET ROLE mlflow_platform_server",
        `SET ROLE "${value("pgUser")}"`,
        `ALTER ROLE "${value("pgUser")}" PASSWORD 'attempt'`,
        `GRANT mlflow_platform_owner TO "${value("pgUser")}"`,
        "ALTER ROLE mlflow_platform_owner SUPERUSER",
        `ALTER DATABASE "${database}" RENAME TO attempt`,
        `ALTER DATABASE "${database}" SET session_preload_libraries = 'attempt'`,
    ];
    let answers: Map<string, string>;
    beforeAll(async () => {
        answers = await tried({ ...tablesOwner, ...options }, statements);
    });

    it.each(statements)("%s", (statement) => {
        expect(answers.get(statement)).toBe("42501");
    });
});

describe("the tables' owner may", () => {
    it.each([
        "CREATE TABLE attempt (i int)",
        "ALTER TABLE runs ADD COLUMN attempt int",
        "DROP TABLE runs CASCADE",
        "CREATE SCHEMA attempt",
    ])("%s", async (statement) => {
        expect((await tried(tablesOwner, [statement])).get(statement)).toBe("allowed");
    });

    it("not drop the database, because it can be in no other", async () => {
        const statement = `DROP DATABASE "${database}"`;
        expect((await tried(tablesOwner, [statement])).get(statement)).toBe("55006");
    });
});

describe("PostgreSQL refuses", () => {
    const server = { user: value("pgUser"), password: value("pgPassword") };
    const message = async (login: Record<string, string>) => (await tried(login, ["SELECT 1"])).get("SELECT 1");

    it.each([
        ["MLflow's role", server],
        ["the owner", tablesOwner],
    ])("%s in every other database and for replication, and lets it into its own", async (_name, login) => {
        expect(await message(login)).toBe("allowed");
        expect(await message({ ...login, dbname: "postgres" })).toContain('permission denied for database "postgres"');
        expect(await message({ ...login, dbname: "template1" })).toContain(
            'permission denied for database "template1"',
        );
        expect(await message({ ...login, dbname: "template0" })).toContain(
            'database "template0" is not currently accepting connections',
        );
        expect(await message({ ...login, replication: "true" })).toContain(
            "no pg_hba.conf entry for replication connection",
        );
    });

    it("the superuser over the network, whatever the password", async () => {
        for (const password of [server.password, tablesOwner.password]) {
            expect(await message({ user: "postgres", password })).toMatch(
                /pg_hba\.conf rejects connection for host "[^"]+", user "postgres"/,
            );
        }
    });

    it("a password that is another's, and none", async () => {
        expect(await message({ ...server, password: tablesOwner.password })).toContain(
            "password authentication failed",
        );
        expect(await message({ ...tablesOwner, password: server.password })).toContain(
            "password authentication failed",
        );
        expect(await message({ ...tablesOwner, password: "" })).toContain("no password supplied");
    });
});

it("PostgreSQL's next start takes back what they gave themselves, and runs nothing of theirs", async () => {
    const asOwner = `SET SESSION AUTHORIZATION "${owner}"; SET ROLE mlflow_platform_owner;`;
    const rise = `ALTER ROLE "${owner}" SUPERUSER`;
    for (const statements of [
        // It stands where "start" calls the function of that name for each of its objects; this is one.
        `${asOwner} CREATE FUNCTION public.format(text, name) RETURNS text LANGUAGE sql AS $$ SELECT '${rise}' $$`,
        `SET SESSION AUTHORIZATION "${owner}"; SELECT lo_from_bytea(0, 'attempt')`,
        `${asOwner} GRANT TRUNCATE ON runs TO mlflow_platform_server; GRANT TRIGGER ON runs TO PUBLIC`,
        `SET SESSION AUTHORIZATION "${value("pgUser")}";
         ALTER ROLE SESSION_USER IN DATABASE "${database}" SET default_transaction_read_only = on`,
    ]) {
        await sql(stack, statements, database);
    }
    try {
        await docker("restart", `mlflow-platform-${stack}-postgres`);
        await healthy(stack);
        expect(await sql(stack, "SELECT rolname FROM pg_roles WHERE rolsuper", database)).toEqual(["postgres"]);
        const owners = "SELECT lomowner::regrole FROM pg_largeobject_metadata";
        expect(await sql(stack, owners, database)).toEqual(["mlflow_platform_owner"]);
        expect(await sql(stack, "SELECT 1 FROM pg_db_role_setting WHERE setdatabase <> 0", database)).toEqual([]);
        const fifth = `has_table_privilege('${value("pgUser")}', 'runs', 'TRUNCATE, TRIGGER')`;
        expect(await sql(stack, `SELECT ${fifth}`, database)).toEqual(["f"]);
    } finally {
        await sql(stack, "DROP FUNCTION public.format(text, name)", database);
        await sql(stack, "SELECT lo_unlink(oid) FROM pg_largeobject_metadata", database);
        await sql(stack, `ALTER ROLE "${value("pgUser")}" IN DATABASE "${database}" RESET ALL`, database);
    }
});
