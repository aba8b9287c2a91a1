import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { container } from "../support/engine.ts";
import { type Certificates, type OutsideMinio, certificates, gatewayName, outsideMinio } from "../support/outside.ts";

// The job that makes bucket and key, by itself (images/README.md), on a MinIO that nobody else uses.
const { stack } = inject("generated");
const password = randomBytes(12).toString("hex");
const bucket = "job.artifacts";

let image: string;
let tls: Certificates;
let server: OutsideMinio;
beforeAll(async () => {
    image = (await container(stack, "minio")).Image;
    tls = await certificates();
    server = await outsideMinio(image, password, tls);
});
afterAll(async () => {
    await server.remove();
});

/** Runs the job with some variables and files changed; its exit code and what it printed. */
async function provision(
    variables: Readonly<Record<string, string>> = {},
    files: Readonly<Record<string, string>> = {},
): Promise<[number | undefined, string]> {
    const secrets = mkdtempSync(join(tmpdir(), "provision-"));
    const given = {
        root_user: "outside",
        root_password: password,
        access_key: "own",
        secret_access_key: 'é own\'s \\ "secret"',
        s3_ca: tls.authority,
        ...files,
    };
    // The image's user is not this one.
    chmodSync(secrets, 0o755);
    for (const [name, content] of Object.entries(given)) {
        writeFileSync(join(secrets, name), `${content}\n`);
    }
    const environment = { S3_ENDPOINT: `https://${gatewayName}:${server.port}`, BUCKET: bucket, ...variables };
    try {
        const { exitCode, all } = await execa(
            "docker",
            [
                ...["run", "--rm", "--read-only", "--cap-drop", "ALL", "--tmpfs", "/tmp"],
                ...["--add-host", `${gatewayName}:host-gateway`, "--volume", `${secrets}:/run/secrets/platform:ro`],
                ...Object.entries(environment).flatMap((entry) => ["--env", entry.join("=")]),
                ...["--entrypoint", "/usr/local/bin/provision", image],
            ],
            { reject: false, all: true },
        );
        return [exitCode, all];
    } finally {
        rmSync(secrets, { recursive: true });
    }
}

/** Every user by name, with status and policies. */
async function users(): Promise<Record<string, string>> {
    const lines = (await server.mc("--json", "admin", "user", "list", "root")).split("\n");
    const found = lines.map(
        (line) => JSON.parse(line) as { accessKey: string; userStatus: string; policyName?: string },
    );
    return Object.fromEntries(
        found.map(({ accessKey, userStatus, policyName = "" }) => [accessKey, `${userStatus} ${policyName}`.trim()]),
    );
}

const ready = `provision: bucket ${bucket} is ready for own`;

describe("the job", () => {
    it("makes bucket and key, and can be run again", async () => {
        expect(await provision()).toEqual([0, ready]);
        expect(await users()).toEqual({ own: "enabled mlflow-platform" });
        expect(await provision()).toEqual([0, ready]);
        expect(await users()).toEqual({ own: "enabled mlflow-platform" });
    });

    it("takes back what was done to them, removes earlier keys, and leaves what is not its own", async () => {
        for (const command of [
            "policy attach root readwrite --user own",
            "user disable root own",
            "user add root earlier earlier-secret",
            "policy attach root mlflow-platform --user earlier",
            "user add root somebody somebodys-secret",
            "policy attach root readonly --user somebody",
        ]) {
            await server.mc("admin", ...command.split(" "));
        }
        await server.mc("anonymous", "set", "public", `root/${bucket}`);
        expect(await provision({}, { secret_access_key: "another secret" })).toEqual([
            0,
            `provision: removed the earlier user earlier\n${ready}`,
        ]);
        expect(await users()).toEqual({ own: "enabled mlflow-platform", somebody: "enabled readonly" });
        expect(await server.mc("anonymous", "get", `root/${bucket}`)).toContain("private");
    });
});

describe("the job ends", () => {
    type Given = () => Parameters<typeof provision>;
    it.each<[string, Given, number, RegExp]>([
        [
            "where the root user's password is another's",
            () => [{}, { root_password: "another-password" }],
            78,
            /^provision: the server at \S+ does not accept root_user and root_password \(SignatureDoesNotMatch\)$/,
        ],
        [
            "where the server's authority is another",
            () => [{}, { s3_ca: tls.other }],
            78,
            /^provision: the certificate of the server at \S+ is refused: certificate signed by unknown authority/,
        ],
        [
            "where the server speaks TLS and the endpoint does not",
            () => [{ S3_ENDPOINT: `http://${gatewayName}:${server.port}` }],
            78,
            /^provision: the server at \S+ wants https$/,
        ],
        [
            "where nobody answers in time",
            () => [{ S3_ENDPOINT: `https://${gatewayName}:1`, TIMEOUT: "1" }],
            69,
            /^provision: no S3 server answers at \S+:1 within 1 s: .*connection refused$/,
        ],
        [
            "where the server refuses the key",
            () => [{}, { secret_access_key: "short" }],
            1,
            /^provision: cannot make the user own: .*length/,
        ],
        [
            "where the bucket cannot have that name",
            () => [{ BUCKET: "No_Bucket" }],
            1,
            /^provision: cannot make the bucket No_Bucket: /,
        ],
    ])("%s: exit code and words say so", async (_words, given, code, message) => {
        const [exitCode, output] = await provision(...given());
        expect(output).toMatch(message);
        expect(exitCode).toBe(code);
    });
});
