/** An S3 store that somebody else runs: a job that makes the bucket, and what MLflow makes of it. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { ExternalS3, type ExternalS3Args } from "../../components/externalS3.ts";
import type { JobRecord } from "../../components/job.ts";
import { Mlflow, type MlflowArgs } from "../../components/mlflow.ts";
import { authorities } from "./support/certificates.ts";
import {
    filesOf,
    job,
    jobOptions,
    labelInputs,
    labels,
    mlflowArgs,
    secretsMount,
    tmp,
    tree,
} from "./support/containers.ts";
import { record, secret, valueOf, withFailures } from "./support/recording.ts";

const args: ExternalS3Args = {
    image: "mlflow:1",
    seedImage: "seed:1",
    networkId: "network id",
    endpoint: "https://s3.example.com:443",
    region: "eu-central-1",
    bucketName: "artifacts",
    accessKey: { id: pulumi.secret("key's id"), secret: pulumi.secret("key's word") },
    waitSeconds: 180,
    lastRecords: undefined,
    labels,
};
const container = "docker:Container s3-bucket";
const credentials = secret("[default]\naws_access_key_id = key's id\naws_secret_access_key = key's word\n");

describe("an external S3 store", () => {
    /** Beside a container that is only made once the bucket can be used. */
    const make = (more: Partial<ExternalS3Args> = {}, outputs = {}) =>
        record(
            () => {
                const s3 = new ExternalS3("s3", { ...args, ...more });
                new docker.Container("consumer", { image: "x" }, { dependsOn: [...s3.store.ready] });
                return s3;
            },
            { outputs },
        );

    it("is a job that makes the bucket, and its secrets", async () => {
        const { registrations } = await make();
        expect(registrations.map(({ key, parent }) => `${key} < ${parent ?? "stack"}`).sort()).toEqual([
            "docker:Container consumer < stack",
            "docker:Container s3-bucket < mlflow-platform:Job s3-bucket",
            "docker:Container s3-bucket-secrets-seed < mlflow-platform:SecretFiles s3-bucket-secrets",
            "docker:Volume s3-bucket-secrets < mlflow-platform:SecretFiles s3-bucket-secrets",
            "mlflow-platform:ExternalS3 s3 < stack",
            "mlflow-platform:Job s3-bucket < mlflow-platform:ExternalS3 s3",
            "mlflow-platform:SecretFiles s3-bucket-secrets < mlflow-platform:ExternalS3 s3",
        ]);
        expect(registrations.find(({ name }) => name === "s3")?.type).toBe("mlflow-platform:index:ExternalS3");
    });

    it("is tried by MLflow's own client, with the key as a file", async () => {
        const recording = await make();
        expect(filesOf(recording, "s3-bucket-secrets-seed")).toStrictEqual({
            owner: ["1000:1000"],
            files: { "/run/secrets/platform/aws_credentials": credentials },
        });
        expect(recording.get("docker:Volume s3-bucket-secrets").inputs).toStrictEqual({
            labels: [...labelInputs, { label: "mlflow-platform.files", value: "aws_credentials" }],
        });
        expect(recording.get(container).inputs).toStrictEqual({
            ...job,
            image: "mlflow:1",
            user: "1000:1000",
            entrypoints: ["/usr/local/bin/bucket"],
            envs: [
                "AWS_DEFAULT_REGION=eu-central-1",
                "AWS_SHARED_CREDENTIALS_FILE=/run/secrets/platform/aws_credentials",
                "BUCKET=artifacts",
                "MLFLOW_S3_ENDPOINT_URL=https://s3.example.com:443",
                "TIMEOUT=180",
                "TMPDIR=/tmp",
            ],
            tmpfs: { "/tmp": tmp },
            memory: 256,
            memorySwap: 256,
            cpus: "1.0",
            volumes: [secretsMount("s3-bucket-secrets")],
            networksAdvanced: [{ name: "network id", aliases: [] }],
        });
        expect(recording.get(container).options).toStrictEqual({
            ...jobOptions,
            dependencies: ["docker:Container s3-bucket-secrets-seed", "docker:Volume s3-bucket-secrets"],
            replaceWith: ["docker:Container s3-bucket-secrets-seed"],
            replacementTrigger: 1,
        });
    });

    it("has its certificate checked against the authority that is given", async () => {
        const recording = await make({ authorities: authorities.one });
        expect(filesOf(recording, "s3-bucket-secrets-seed").files).toStrictEqual({
            "/run/secrets/platform/aws_credentials": credentials,
            "/run/secrets/platform/s3_ca": secret(authorities.one),
        });
        expect(recording.get(container).inputs.envs).toEqual([
            "AWS_CA_BUNDLE=/run/secrets/platform/s3_ca",
            "AWS_DEFAULT_REGION=eu-central-1",
            "AWS_SHARED_CREDENTIALS_FILE=/run/secrets/platform/aws_credentials",
            "BUCKET=artifacts",
            "MLFLOW_S3_ENDPOINT_URL=https://s3.example.com:443",
            "TIMEOUT=180",
            "TMPDIR=/tmp",
        ]);
        expect(recording.get("docker:Volume s3-bucket-secrets").inputs.labels).toContainEqual({
            label: "mlflow-platform.files",
            value: "aws_credentials s3_ca",
        });
    });

    it.each(["http://host.docker.internal:9000", "https://host.docker.internal:443"])(
        "is found on the engine's host: %s",
        async (endpoint) => {
            const { get } = await make({ endpoint });
            expect(get(container).inputs.hosts).toEqual([{ host: "host.docker.internal", ip: "host-gateway" }]);
        },
    );

    it("says where it is, with which key, and that there is neither data nor a console of ours", async () => {
        const { result } = await make({ authorities: authorities.one });
        const { ready, ...address } = result.store;
        expect(address).toStrictEqual({
            endpoint: "https://s3.example.com:443",
            region: "eu-central-1",
            bucketName: "artifacts",
            accessKey: args.accessKey,
            authorities: authorities.one,
        });
        expect(ready).toHaveLength(1);
        expect(await valueOf(result.publishedEndpoint)).toBe("https://s3.example.com:443");
        expect(await valueOf(result.bucketName)).toBe("artifacts");
        expect(await pulumi.isSecret(result.bucketName)).toBe(false);
        expect([result.data, result.consoleUrl, result.upstreams]).toEqual([undefined, undefined, undefined]);
        expect(await valueOf(pulumi.output(result.jobRecords))).toEqual({ "s3-bucket": { exitCode: 0, attempt: 1 } });
    });

    it("comes before what uses it, which takes nothing of it", async () => {
        const { get } = await make();
        expect(get("docker:Container consumer").options.dependencies).toEqual([container]);
        expect(get("docker:Container consumer").takes).toEqual({});
    });

    it("runs its job again after a failed one", async () => {
        const lastRecords: Record<string, JobRecord> = { "s3-bucket": { exitCode: 78, attempt: 2 } };
        const { get, result } = await make({ lastRecords });
        expect(get(container).options.replacementTrigger).toBe(3);
        expect(await valueOf(pulumi.output(result.jobRecords))).toEqual({ "s3-bucket": { exitCode: 0, attempt: 3 } });
    });

    it("stops what uses it where the job failed, and shows no secret", async () => {
        const { result, failures } = await withFailures(() =>
            make({}, { [container]: { exitCode: 69, containerLogs: "bucket: key's word is refused\n" } }),
        );
        const text =
            "job s3-bucket ended with exit code 69; it runs again with the next update. Its output:\n" +
            "bucket: [secret] is refused";
        await expect(valueOf(result.result.bucketName)).rejects.toThrow(text);
        expect(result.registrations.map(({ key }) => key)).not.toContain("docker:Container consumer");
        expect(new Set(failures.map((failure) => (failure as Error).message))).toEqual(new Set([text]));
        expect(await valueOf(pulumi.output(result.result.jobRecords))).toEqual({
            "s3-bucket": { exitCode: 69, attempt: 1 },
        });
        expect(await valueOf(result.result.publishedEndpoint)).toBe("https://s3.example.com:443");
    });
});

describe("MLflow with an external S3 store", () => {
    const make = (more: Partial<ExternalS3Args> = {}, others: Partial<MlflowArgs> = {}) =>
        record(
            () =>
                new Mlflow("mlflow", {
                    ...mlflowArgs,
                    database: {
                        host: "postgres",
                        port: 5432,
                        database: "mlflow",
                        ownerLogin: { user: "owner", password: "owner's word" },
                        serverLogin: { user: "server", password: "server's word" },
                        authLogin: { user: "people", password: "people's word" },
                        ready: [],
                    },
                    store: new ExternalS3("s3", { ...args, ...more }).store,
                    ...others,
                }),
        );

    it("registers the same beside it as with its own", async () => {
        expect(tree(await make()).filter((line) => !line.includes("s3"))).toEqual([
            "docker:Container mlflow < mlflow-platform:Mlflow mlflow",
            "docker:Container mlflow-migrate < mlflow-platform:Job mlflow-migrate",
            "docker:Container mlflow-migrate-secrets-seed < mlflow-platform:SecretFiles mlflow-migrate-secrets",
            "docker:Container mlflow-secrets-seed < mlflow-platform:SecretFiles mlflow-secrets",
            "docker:Volume mlflow-migrate-secrets < mlflow-platform:SecretFiles mlflow-migrate-secrets",
            "docker:Volume mlflow-secrets < mlflow-platform:SecretFiles mlflow-secrets",
            "docker:Volume mlflow-transfers < mlflow-platform:Mlflow mlflow",
            "mlflow-platform:Job mlflow-migrate < mlflow-platform:Mlflow mlflow",
            "mlflow-platform:Mlflow mlflow < stack",
            "mlflow-platform:SecretFiles mlflow-migrate-secrets < mlflow-platform:Mlflow mlflow",
            "mlflow-platform:SecretFiles mlflow-secrets < mlflow-platform:Mlflow mlflow",
        ]);
    });

    it("keeps artifacts there, with the key and the authority that are given, once the bucket can be used", async () => {
        const recording = await make({ authorities: authorities.two });
        const { inputs, options, takes } = recording.get("docker:Container mlflow");
        expect((inputs.envs as string[]).filter((line) => /^AWS|S3|ARTIFACTS/.test(line))).toEqual([
            "AWS_CA_BUNDLE=/run/secrets/platform/s3_ca",
            "AWS_DEFAULT_REGION=eu-central-1",
            "AWS_SHARED_CREDENTIALS_FILE=/run/secrets/platform/aws_credentials",
            "MLFLOW_ARTIFACTS_DESTINATION=s3://artifacts",
            "MLFLOW_S3_ENDPOINT_URL=https://s3.example.com:443",
        ]);
        expect(filesOf(recording, "mlflow-secrets-seed").files).toMatchObject({
            "/run/secrets/platform/aws_credentials": credentials,
            "/run/secrets/platform/s3_ca": secret(authorities.two),
        });
        expect(options.dependencies).toContain(container);
        expect(Object.values(takes).flat()).not.toContain(container);
        // The migration has nothing to do with it.
        expect(recording.get("docker:Container mlflow-migrate").options.dependencies).not.toContain(container);
        expect(Object.keys(filesOf(recording, "mlflow-migrate-secrets-seed").files)).toEqual([
            "/run/secrets/platform/pgpass",
        ]);
    });

    it("signs URLs for it as clients reach it, where they go there themselves", async () => {
        const { get } = await make({}, { transfer: { kind: "presigned", publicEndpoint: args.endpoint } });
        expect(get("docker:Container mlflow").inputs.envs).toEqual(
            expect.arrayContaining([
                "ARTIFACT_TRANSFER=presigned",
                "MLFLOW_S3_ENDPOINT_URL=https://s3.example.com:443",
                "S3_PUBLIC_ENDPOINT=https://s3.example.com:443",
            ]),
        );
    });

    it("finds it on the engine's host", async () => {
        const { get } = await make({ endpoint: "http://host.docker.internal:9000" });
        const hosts = [{ host: "host.docker.internal", ip: "host-gateway" }];
        expect(get("docker:Container mlflow").inputs.hosts).toEqual(hosts);
    });

    it("needs no such name for a store elsewhere", async () => {
        const { get } = await make();
        expect(get("docker:Container mlflow").inputs).not.toHaveProperty("hosts");
        expect(get(container).inputs).not.toHaveProperty("hosts");
    });
});
