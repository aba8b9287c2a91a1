import { ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { resourcesOf } from "../../../operations/engineObjects.ts";
import { Checkout } from "../support/checkout.ts";
import { bucketKey, docker, healthy, serverFile } from "../support/engine.ts";
import { basic, plantedValues } from "../support/platforms.ts";
import { runPython } from "../support/python.ts";

/** What a login says: nothing, or the error's code. */
type Answer = Promise<string | undefined>;

/** Logs in to S3 and lists a bucket. */
async function s3Login(endpoint: unknown, id: string, secret: string, bucket: string): Answer {
    const client = new S3Client({
        endpoint: String(endpoint),
        region: "us-east-1",
        forcePathStyle: true,
        credentials: { accessKeyId: id, secretAccessKey: secret },
    });
    return client.send(new ListObjectsV2Command({ Bucket: bucket })).then(
        () => undefined,
        (error: unknown) => (error as Error).name,
    );
}

/** Logs in to PostgreSQL by a URI, from the server's container. */
async function pgLogin(stack: string, uri: unknown): Answer {
    const probe =
        "import psycopg2,sys\n" +
        "try: psycopg2.connect(sys.argv[1]); print('in')\n" +
        "except psycopg2.OperationalError as e: print('password authentication failed' in str(e) and 'refused' or e)";
    const answer = await docker("exec", `mlflow-platform-${stack}-mlflow`, "python3", "-c", probe, String(uri));
    return answer === "in" ? undefined : answer;
}

const text = `kept ${randomBytes(4).toString("hex")}`;

describe("a generated credential gets another value by one command", () => {
    const platform = inject("generated");
    const { stack } = platform;
    const checkout = Checkout.at(platform.directory, platform.stateHome);
    let runId: string;
    beforeAll(async () => {
        ({ runId } = await runPython<{ runId: string }>(
            "log_and_read.py",
            [platform.trackingUri, "log", text],
            platform.login,
        ));
    });

    it("all four: the old ones stop working, the new ones work, and the data is there", async () => {
        const outputs = await checkout.outputs(stack);
        const { id, secret } = await bucketKey(stack);
        const rootUser = String(outputs.minioRootUser);
        const kek = await serverFile(stack, "kek_passphrase");
        expect(await pgLogin(stack, outputs.pgUri)).toBeUndefined();
        expect(await s3Login(outputs.minioEndpoint, id, secret, "mlflow")).toBeUndefined();

        const output = await checkout.ok("rotate", [
            "pgPassword",
            "pgOwnerPassword",
            "minioRootPassword",
            "minioSecretAccessKey",
            "--stack",
            stack,
        ]);
        await healthy(stack);
        const now = await checkout.outputs(stack);
        const { secret: newSecret } = await bucketKey(stack);
        expect(await pgLogin(stack, outputs.pgUri)).toBe("refused");
        expect(await pgLogin(stack, now.pgUri)).toBeUndefined();
        const { minioEndpoint: at } = now;
        expect(await s3Login(at, id, secret, "mlflow")).toBe("SignatureDoesNotMatch");
        expect(await s3Login(at, id, newSecret, "mlflow")).toBeUndefined();
        expect(await s3Login(at, rootUser, String(outputs.minioRootPassword), "mlflow")).toBe("SignatureDoesNotMatch");
        expect(await s3Login(at, rootUser, String(now.minioRootPassword), "mlflow")).toBeUndefined();
        for (const value of [secret, newSecret, outputs.minioRootPassword, now.minioRootPassword].map(String)) {
            expect(output).not.toContain(value);
        }
        // What encrypts users' credentials is not a login, and stays.
        expect(await serverFile(stack, "kek_passphrase")).toBe(kek);
        expect(await runPython("log_and_read.py", [platform.trackingUri, "read", runId], platform.login)).toEqual({
            param: text,
            artifact: text,
        });
        await checkout.pulumi(stack, "preview", "--expect-no-changes");
    });

    it("they are generated and protected as before", async () => {
        const generated = resourcesOf(await checkout.state(stack)).filter(
            ({ type }) => type === "random:index/randomPassword:RandomPassword",
        );
        expect(generated.map(({ protect }) => protect)).toEqual(generated.map(() => true));
        expect(checkout.read(`Pulumi.${stack}.yaml`)).not.toContain("secure:");
    });

    it("what is not generated is refused", async () => {
        const [unknown, planted] = await Promise.all([
            checkout.run("rotate", ["mlflowPort", "--stack", stack]),
            checkout.run("rotate", ["pgPassword", "--stack", inject("planted").stack]),
        ]);
        expect(unknown.code).not.toBe(0);
        expect(unknown.output).toContain("Allowed choices are minioAccessKey, minioSecretAccessKey, pgPassword");
        expect(planted.code).toBe(1);
        expect(planted.output).toContain(
            `Set in the configuration of stack ${inject("planted").stack}, so not generated: pgPassword.`,
        );
    });
});

describe("a credential in the configuration is changed by config set and up", () => {
    const platform = inject("planted");
    const { stack } = platform;
    const checkout = Checkout.at(platform.directory, platform.stateHome);
    const planted = (key: string) => plantedValues[key]?.value ?? "";
    const up = () => checkout.pulumi(stack, "up", "--yes", "--skip-preview");
    const bucket = planted("mlflowBucketName");
    let runId: string;
    beforeAll(async () => {
        ({ runId } = await runPython<{ runId: string }>(
            "log_and_read.py",
            [platform.trackingUri, "log", text],
            platform.login,
        ));
    });

    it("pgPassword, pgAuthPassword, adminPassword, minioSecretAccessKey and minioRootPassword, and back", async () => {
        const before = await checkout.outputs(stack);
        const { minioEndpoint: at } = before;
        const others = {
            pgPassword: "another % password",
            minioSecretAccessKey: "another \\ secret's",
            minioRootPassword: 'another "root" password',
            pgAuthPassword: "another : password",
            adminPassword: "another \\ password",
        };
        const { MLFLOW_TRACKING_PASSWORD: earlier, ...named } = platform.login;
        const login = { ...named, MLFLOW_TRACKING_PASSWORD: others.adminPassword };
        const s3 = async (id: string, key: string, other: string) => [
            await s3Login(at, planted(id), planted(key), bucket),
            await s3Login(at, planted(id), other, bucket),
        ];
        await checkout.configured(stack, others, async () => {
            await up();
            await healthy(stack);
            const now = await checkout.outputs(stack);
            expect(await pgLogin(stack, before.pgUri)).toBe("refused");
            expect(await pgLogin(stack, now.pgUri)).toBeUndefined();
            const refused = ["SignatureDoesNotMatch", undefined];
            expect(await s3("minioAccessKey", "minioSecretAccessKey", others.minioSecretAccessKey)).toEqual(refused);
            expect(await s3("minioRootUser", "minioRootPassword", others.minioRootPassword)).toEqual(refused);
            expect(await runPython("log_and_read.py", [platform.trackingUri, "read", runId], login)).toEqual({
                param: text,
                artifact: text,
            });
            const headers = basic(named.MLFLOW_TRACKING_USERNAME, earlier);
            expect((await fetch(platform.trackingUri, { headers })).status).toBe(401);
            // One alone: only its users would be replaced.
            expect(await checkout.plan(stack, { minioRootPassword: planted("minioRootPassword") })).toEqual(
                Object.fromEntries(
                    ["minio", "minio-provision"].flatMap((name) =>
                        [name, `${name}-secrets-seed`].map((each) => [`Container ${each}`, "replace"]),
                    ),
                ),
            );
        });
    });

    afterAll(async () => {
        await up();
        await healthy(stack);
    });
});
