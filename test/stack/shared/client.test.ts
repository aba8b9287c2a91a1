import { GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { createHash, randomBytes } from "node:crypto";
import { execa } from "execa";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { Checkout } from "../support/checkout.ts";
import { docker, dockerLines, sql } from "../support/engine.ts";
import { python, runPython } from "../support/python.ts";

const platform = inject("generated");
const checkout = Checkout.at(platform.directory, platform.stateHome);

interface RoundTrip {
    experimentId: string;
    runId: string;
    artifactUri: string;
    modelId: string;
    params: Record<string, string>;
    tag: string;
    lossHistory: number[];
    sent: string;
    received: string;
    listed: string[];
    version: string;
    prediction: number;
    spans: string[];
    found: string[];
    activeAfterDelete: string[];
    deletedAfterDelete: string[];
    experimentAfterDelete: string;
    experimentAfterRestore: string;
}

describe("a real MLflow client on the host", () => {
    const experiment = `round-trip-${randomBytes(3).toString("hex")}`;
    let made: RoundTrip;
    let s3: S3Client;
    let bucket: string;

    beforeAll(async () => {
        made = await runPython<RoundTrip>("round_trip.py", [platform.trackingUri, experiment]);
        const outputs = await checkout.outputs(platform.stack);
        bucket = String(outputs.bucketName);
        s3 = new S3Client({
            endpoint: String(outputs.minioEndpoint),
            region: "us-east-1",
            forcePathStyle: true,
            credentials: {
                accessKeyId: String(outputs.minioRootUser),
                secretAccessKey: String(outputs.minioRootPassword),
            },
        });
    });

    it("reads back parameters, metrics and tags", () => {
        expect(made.params).toEqual({ alpha: "0.1", depth: "3" });
        expect(made.lossHistory).toEqual([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]);
        expect(made.tag).toBe("green");
    });

    it("gets a 50 MiB artifact back as it was sent", () => {
        expect(made.received).toBe(made.sent);
        expect(made.listed).toEqual(["data/big.bin"]);
    });

    it("loads a logged, registered model by its alias", () => {
        expect(made.version).toBe("1");
        expect(made.prediction).toBeCloseTo(6);
        expect(made.modelId).toMatch(/^m-/);
    });

    it("finds its trace and its run", () => {
        expect(made.spans).toContain("question");
        expect(made.found).toEqual([made.runId]);
    });

    it("deletes and restores", () => {
        expect(made.activeAfterDelete).toEqual([]);
        expect(made.deletedAfterDelete).toEqual([made.runId]);
        expect(made.experimentAfterDelete).toBe("deleted");
        expect(made.experimentAfterRestore).toBe("active");
    });

    it("has its artifact as an object in the bucket", async () => {
        expect(made.artifactUri).toBe(`mlflow-artifacts:/${made.experimentId}/${made.runId}/artifacts`);
        const object = await s3.send(
            new GetObjectCommand({
                Bucket: bucket,
                Key: `${made.experimentId}/${made.runId}/artifacts/data/big.bin`,
            }),
        );
        const bytes = await object.Body?.transformToByteArray();
        expect(
            createHash("sha256")
                .update(bytes ?? "")
                .digest("hex"),
        ).toBe(made.sent);
        const model = await s3.send(
            new ListObjectsV2Command({
                Bucket: bucket,
                Prefix: `${made.experimentId}/models/${made.modelId}/artifacts/`,
            }),
        );
        expect(model.Contents?.map(({ Key }) => Key?.split("/").at(-1))).toContain("MLmodel");
    });

    it("has its run as a row in PostgreSQL", async () => {
        expect(await sql(platform.stack, `select status from runs where run_uuid = '${made.runId}'`)).toEqual([
            "FINISHED",
        ]);
    });

    it("leaves nothing on the server's own disk", async () => {
        const name = `mlflow-platform-${platform.stack}-mlflow`;
        expect(await docker("exec", name, "find", "/var/lib/mlflow/tmp", "/tmp", "-type", "f", "-size", "+1k")).toBe(
            "",
        );
        // The engine's own mount points, and nothing that the server wrote.
        expect((await dockerLines("diff", name)).sort()).toEqual([
            "A /run/secrets",
            "A /run/secrets/platform",
            "A /usr/sbin/docker-init",
            "C /run",
            "C /usr",
            "C /usr/sbin",
        ]);
    });

    it("is told to move artifacts through the server, and gets no presigned URL when it asks for one", async () => {
        const info = (await (await fetch(`${platform.trackingUri}/api/3.0/mlflow/server-info`)).json()) as Record<
            string,
            unknown
        >;
        expect(info.multipart_uploads_enabled).toBe(false);
        expect(info.multipart_downloads_enabled).toBe(false);
        const path = `${made.experimentId}/${made.runId}/artifacts/data/big.bin`;
        const answer = await fetch(`${platform.trackingUri}/api/2.0/mlflow-artifacts/presigned/${path}`);
        expect(answer.status).toBeGreaterThanOrEqual(400);
        expect(await answer.text()).not.toContain("minio:9000");
    });
});

it("pastes two lines into a notebook whose environment has only pip install mlflow", async () => {
    const [first, second] = platform.startOutput.trimEnd().split("\n").slice(-2);
    expect(first).toBe("import mlflow");
    expect(second).toBe(`mlflow.set_tracking_uri("${platform.trackingUri}")`);
    const cell = `${first ?? ""}\n${second ?? ""}\nprint(len(mlflow.search_experiments()) > 0)\n`;
    // The tests' own environment, which was made by that command alone.
    const { stdout } = await execa(await python(), ["-"], { input: cell });
    expect(stdout.trim()).toBe("True");
});
