/** The configuration of a throw-away preview: what stands in for what is not on this machine. */
import { X509Certificate, createPrivateKey } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type Key, keys, parseConfiguration } from "../../../config.ts";
import { noEngine, placeholderOf, throwAwayConfiguration } from "../../../operations/preview/placeholders.ts";
import { givenCertificate } from "../support/certificates.ts";

const table: Readonly<Record<string, Key<unknown>>> = keys;
const encrypted = { secure: "v1:aaaa:bbbb" };
const own = (values: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [`mlflow-platform:${name}`, value]));

const home = process.cwd();
let directory: string;
beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "mlflow-platform-"));
    process.chdir(directory);
});
afterEach(() => {
    process.chdir(home);
    rmSync(directory, { recursive: true });
});

/** Makes the configuration as a preview does, and parses what the program would get. */
async function made(config: Record<string, unknown>, there: readonly string[] = []) {
    const result = await throwAwayConfiguration(config, (path) => there.includes(path));
    for (const [name, content] of Object.entries(result.files)) {
        writeFileSync(name, content);
    }
    const plain = (parse(result.text) as { config: Record<string, unknown> | null }).config ?? {};
    const values = Object.fromEntries(
        Object.entries({ ...plain, ...result.secrets })
            .filter(([key]) => key.startsWith("mlflow-platform:"))
            .map(([key, value]) => [
                key.slice("mlflow-platform:".length),
                typeof value === "string" ? value : JSON.stringify(value),
            ]),
    );
    const secrets = new Set(Object.keys(result.secrets).map((key) => key.slice("mlflow-platform:".length)));
    return { ...result, plain, ...parseConfiguration({ values, secrets }), ownProblems: result.problems };
}

describe("a placeholder", () => {
    it.each(Object.entries(table).filter(([, key]) => !key.file && key.parse !== keys.tlsPrivateKey.parse))(
        "for %s is a value that the key takes",
        (name, key) => {
            expect(() => key.parse(placeholderOf(name))).not.toThrow();
        },
    );

    it("for a text is another one for each key", () => {
        const names = ["minioRootUser", "minioAccessKey", "pgOwnerUser", "pgAuthUser", "monitorUsername"];
        expect(new Set(names.map(placeholderOf)).size).toBe(names.length);
    });
});

describe("a throw-away configuration", () => {
    it("is the stack's own where it needs nothing", async () => {
        const config = own({ mlflowPort: 5001, bindAddress: "127.0.0.1", mlflowAuth: "false" });
        const result = await made({ ...config, "pulumi:tags": { team: "ml" } });
        expect(result).toMatchObject({ placeholders: {}, secrets: {}, files: {}, leftOut: [], problems: [] });
        expect(result.plain).toEqual({ ...config, "pulumi:tags": { team: "ml" }, "docker:host": noEngine });
    });

    it("takes keys without a namespace for the project's, as Pulumi does", async () => {
        const result = await made({ pgHost: "db.example.com", mlflowPort: 5001 });
        expect(result.placeholders).toEqual({ pgPassword: "not set" });
        expect(result.plain).toMatchObject(own({ pgHost: "db.example.com", mlflowPort: 5001 }));
    });

    it("has placeholders for encrypted values, as secrets, and nothing encrypted", async () => {
        const result = await made(
            own({ pgPassword: encrypted, adminPassword: encrypted, minioAccessKey: encrypted, mlflowPort: encrypted }),
        );
        expect(result.placeholders).toEqual({
            pgPassword: "encrypted",
            adminPassword: "encrypted",
            minioAccessKey: "encrypted",
            mlflowPort: "encrypted",
        });
        expect(Object.keys(result.secrets).sort()).toEqual(Object.keys(own(result.placeholders)).sort());
        expect(result.problems).toEqual([]);
        expect(JSON.stringify(result)).not.toContain("v1:aaaa");
    });

    it("has placeholders for secrets that other keys make necessary", async () => {
        const result = await made(
            own({ pgHost: "db.example.com", minioHost: "s3.example.com", minioAccessKey: "somebody" }),
        );
        expect(result.placeholders).toEqual({ pgPassword: "not set", minioSecretAccessKey: "not set" });
        expect(result.problems).toEqual([]);
    });

    it("has a certificate and a key that fit where they are kept on the stack's host", async () => {
        const result = await made(
            own({
                publicHost: "mlflow.example.com",
                tlsCertificateFile: "/etc/ssl/mlflow.pem",
                tlsPrivateKey: encrypted,
            }),
        );
        expect(result.placeholders).toEqual({ tlsCertificateFile: "not on this machine", tlsPrivateKey: "encrypted" });
        expect(result.problems).toEqual([]);
        const certificate = new X509Certificate(result.value.tlsCertificateFile ?? "");
        expect(certificate.checkHost("mlflow.example.com", { subject: "never" })).toBe("mlflow.example.com");
        expect(certificate.checkPrivateKey(createPrivateKey(result.value.tlsPrivateKey ?? ""))).toBe(true);
    });

    it("keeps no certificate whose key is not here, but says what is wrong with it", async () => {
        const { certificate } = await givenCertificate(["other.example.com"]);
        writeFileSync("given.pem", certificate);
        const config = own({ publicHost: "mlflow.example.com", tlsCertificateFile: "given.pem" });
        const result = await made(config, ["given.pem"]);
        expect(result.placeholders).toEqual({
            tlsCertificateFile: "has to fit another placeholder",
            tlsPrivateKey: "not set",
        });
        expect(result.problems).toEqual([]);
        expect(result.ownProblems).toEqual([
            'tlsCertificateFile: is not for "mlflow.example.com" but for DNS:other.example.com: set publicHost to one of these, or another certificate',
        ]);
        const other = await made({ ...config, "mlflow-platform:publicHost": "other.example.com" }, ["given.pem"]);
        expect(other.ownProblems).toEqual([]);
    });

    it("has a key of its own for an encrypted one without a certificate, which stays a problem", async () => {
        const result = await made(own({ publicHost: "mlflow.example.com", tlsPrivateKey: encrypted }));
        expect(result.problems).toEqual([
            "tlsCertificateFile: is needed with tlsPrivateKey: set the path of its certificate",
        ]);
    });

    it.each(["pgCaFile", "minioCaFile", "packageCaFile", "tlsAcmeCaFile"])(
        "has a file of certificates for %s, where this machine has not its own",
        async (name) => {
            const result = await made(own({ [name]: "/etc/ssl/company.pem" }));
            expect(result.placeholders).toEqual({ [name]: "not on this machine" });
            expect(result.value[name as "pgCaFile"]).toMatch(/^-----BEGIN CERTIFICATE-----/);
        },
    );

    it("keeps a file that is in the project", async () => {
        const { certificate } = await givenCertificate(["ca.example.com"]);
        mkdirSync("certificates");
        writeFileSync("certificates/ca.pem", certificate);
        const result = await made(own({ packageCaFile: "certificates/ca.pem" }), ["certificates/ca.pem"]);
        expect(result).toMatchObject({ placeholders: {}, files: {}, problems: [] });
        expect(result.value.packageCaFile?.trim()).toBe(certificate.trim());
    });

    it("takes the project's own monitor for one that is elsewhere", async () => {
        const result = await made(own({ monitorProject: "/srv/monitor" }));
        expect(result.placeholders).toEqual({ monitorProject: "not on this machine" });
        expect(result.value.monitorProject).toBe("examples/lifecycle");
    });

    it("leaves out how an engine is reached, and what others have encrypted", async () => {
        const result = await made({ "docker:host": "ssh://prod.example.com", "other:token": encrypted });
        expect(result.leftOut).toEqual(["docker:host", "other:token"]);
        expect(result.plain).toEqual({ "docker:host": noEngine });
    });

    it("keeps lists, with placeholders for what is encrypted in them", async () => {
        const result = await made(
            own({
                modelServers: [
                    { name: "iris", port: 5100 },
                    { name: encrypted, port: 5101 },
                ],
            }),
        );
        expect(result.value.modelServers?.map(({ name, port }) => [name, port])).toEqual([
            ["iris", 5100],
            ["placeholder", 5101],
        ]);
        expect(result.placeholders).toEqual({ modelServers: "encrypted" });
    });

    it.each<[string, Record<string, unknown>, string]>([
        ["a value that is wrong", { mlflowPort: 99999 }, "mlflowPort"],
        ["a key that is not known", { mlflowPrt: 5000 }, "mlflowPrt"],
        ["a secret in plain text", { pgPassword: "hunter2" }, "pgPassword"],
        ["a combination that is refused", { bindAddress: "0.0.0.0" }, "bindAddress"],
        ["another key than a secret that is missing", { minioHost: "s3.example.com" }, "minioAccessKey"],
    ])("does not hide %s", async (_words, config, key) => {
        const { problems } = await made(own(config));
        expect(problems.map((text) => text.split(":")[0])).toEqual([key]);
    });
});
