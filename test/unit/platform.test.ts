/** index.ts as a whole: everything it registers, what is protected, what is secret, and what a failed job leaves. */
import { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it } from "vitest";
import { accountPurpose, derivedText, tokenPurpose } from "../../components/derivedSecret.ts";
import { buildTag, builds } from "../../components/image.ts";
import { JobError } from "../../components/job.ts";
import { keys, parseConfiguration } from "../../config.ts";
import { UpdateError } from "../../updateError.ts";
import { authorities, givenCertificate, keptAuthority } from "./support/certificates.ts";
import { type Program, inDirectoryOfItsOwn, platform } from "./support/platform.ts";
import {
    type Recording,
    type Registration,
    type Secret,
    revealed,
    secret,
    textsInSight,
    valueOf,
    withFailures,
    withoutHash,
} from "./support/recording.ts";

inDirectoryOfItsOwn();
const given = await givenCertificate(["mlflow.example.com"]);
beforeAll(() => {
    writeFileSync("given.pem", given.certificate);
    writeFileSync("authority.pem", authorities.one);
    mkdirSync("lifecycle/python", { recursive: true });
    writeFileSync("lifecycle/python/MLproject", "name: lifecycle\n");
});

/** What there is whatever runs here: resource < parent. */
const always = [
    "docker:Container mlflow < mlflow-platform:Mlflow mlflow",
    "docker:Container mlflow-migrate < mlflow-platform:Job mlflow-migrate",
    "docker:Container mlflow-migrate-secrets-seed < mlflow-platform:SecretFiles mlflow-migrate-secrets",
    "docker:Container mlflow-secrets-seed < mlflow-platform:SecretFiles mlflow-secrets",
    "docker:Network backend < mlflow-platform:Network backend",
    "docker:RemoteImage mlflow < mlflow-platform:Image mlflow",
    "docker:RemoteImage seed < mlflow-platform:Image seed",
    "docker:Volume mlflow-migrate-secrets < mlflow-platform:SecretFiles mlflow-migrate-secrets",
    "docker:Volume mlflow-secrets < mlflow-platform:SecretFiles mlflow-secrets",
    "docker:Volume mlflow-transfers < mlflow-platform:Mlflow mlflow",
    // What is protected stays declared also where nobody uses it: the authority, the gateway's volume, generated secrets.
    "docker:Volume gateway_data < mlflow-platform:Volume gateway_data",
    "mlflow-platform:CertificateAuthority authority < stack",
    "mlflow-platform:Volume gateway_data < stack",
    "random:RandomId authority < mlflow-platform:CertificateAuthority authority",
    "mlflow-platform:GeneratedSecret admin-password < stack",
    "mlflow-platform:GeneratedSecret minio-access-key < stack",
    "mlflow-platform:GeneratedSecret minio-root-password < stack",
    "mlflow-platform:GeneratedSecret minio-root-user < stack",
    "mlflow-platform:GeneratedSecret minio-secret-access-key < stack",
    "mlflow-platform:GeneratedSecret mlflow-flask-secret-key < stack",
    "mlflow-platform:GeneratedSecret mlflow-kek-passphrase < stack",
    "mlflow-platform:GeneratedSecret model-server-key < stack",
    "mlflow-platform:GeneratedSecret pg-auth-password < stack",
    "mlflow-platform:GeneratedSecret pg-owner-password < stack",
    "mlflow-platform:GeneratedSecret pg-password < stack",
    "mlflow-platform:Image mlflow < stack",
    "mlflow-platform:Image seed < stack",
    "mlflow-platform:Job mlflow-migrate < mlflow-platform:Mlflow mlflow",
    "mlflow-platform:Mlflow mlflow < stack",
    "mlflow-platform:Network backend < stack",
    "mlflow-platform:Origin origin < stack",
    "mlflow-platform:SecretFiles mlflow-migrate-secrets < mlflow-platform:Mlflow mlflow",
    "mlflow-platform:SecretFiles mlflow-secrets < mlflow-platform:Mlflow mlflow",
    "random:RandomId origin < mlflow-platform:Origin origin",
    "random:RandomPassword admin-password < mlflow-platform:GeneratedSecret admin-password",
    "random:RandomPassword minio-access-key < mlflow-platform:GeneratedSecret minio-access-key",
    "random:RandomPassword minio-root-password < mlflow-platform:GeneratedSecret minio-root-password",
    "random:RandomPassword minio-root-user < mlflow-platform:GeneratedSecret minio-root-user",
    "random:RandomPassword minio-secret-access-key < mlflow-platform:GeneratedSecret minio-secret-access-key",
    "random:RandomPassword mlflow-flask-secret-key < mlflow-platform:GeneratedSecret mlflow-flask-secret-key",
    "random:RandomPassword mlflow-kek-passphrase < mlflow-platform:GeneratedSecret mlflow-kek-passphrase",
    "random:RandomPassword model-server-key < mlflow-platform:GeneratedSecret model-server-key",
    "random:RandomPassword pg-auth-password < mlflow-platform:GeneratedSecret pg-auth-password",
    "random:RandomPassword pg-owner-password < mlflow-platform:GeneratedSecret pg-owner-password",
    "random:RandomPassword pg-password < mlflow-platform:GeneratedSecret pg-password",
];
/** Where PostgreSQL runs here, and where it does not. */
const databaseHere = [
    "docker:Container postgres < mlflow-platform:Postgres postgres",
    "docker:Container postgres-secrets-seed < mlflow-platform:SecretFiles postgres-secrets",
    "docker:RemoteImage postgres < mlflow-platform:Image postgres",
    "docker:Volume postgres-secrets < mlflow-platform:SecretFiles postgres-secrets",
    "docker:Volume postgres_data < mlflow-platform:Volume postgres_data",
    "mlflow-platform:Image postgres < stack",
    "mlflow-platform:Postgres postgres < stack",
    "mlflow-platform:SecretFiles postgres-secrets < mlflow-platform:Postgres postgres",
    "mlflow-platform:Volume postgres_data < stack",
];
const databaseElsewhere = ["mlflow-platform:ExternalPostgres postgres < stack"];
/** Where MinIO runs here, and where it does not. */
const storeHere = [
    "docker:Container minio < mlflow-platform:Minio minio",
    "docker:Container minio-provision < mlflow-platform:Job minio-provision",
    "docker:Container minio-provision-secrets-seed < mlflow-platform:SecretFiles minio-provision-secrets",
    "docker:Container minio-secrets-seed < mlflow-platform:SecretFiles minio-secrets",
    "docker:RemoteImage minio < mlflow-platform:Image minio",
    "docker:Volume minio-provision-secrets < mlflow-platform:SecretFiles minio-provision-secrets",
    "docker:Volume minio-secrets < mlflow-platform:SecretFiles minio-secrets",
    "docker:Volume minio_data < mlflow-platform:Volume minio_data",
    "mlflow-platform:Image minio < stack",
    "mlflow-platform:Job minio-provision < mlflow-platform:Minio minio",
    "mlflow-platform:Minio minio < stack",
    "mlflow-platform:SecretFiles minio-provision-secrets < mlflow-platform:Minio minio",
    "mlflow-platform:SecretFiles minio-secrets < mlflow-platform:Minio minio",
    "mlflow-platform:Volume minio_data < stack",
];
const storeElsewhere = [
    "docker:Container s3-bucket < mlflow-platform:Job s3-bucket",
    "docker:Container s3-bucket-secrets-seed < mlflow-platform:SecretFiles s3-bucket-secrets",
    "docker:Volume s3-bucket-secrets < mlflow-platform:SecretFiles s3-bucket-secrets",
    "mlflow-platform:ExternalS3 s3 < stack",
    "mlflow-platform:Job s3-bucket < mlflow-platform:ExternalS3 s3",
    "mlflow-platform:SecretFiles s3-bucket-secrets < mlflow-platform:ExternalS3 s3",
];
/** Where a gateway publishes what runs here, and where MinIO serves by TLS. */
const gatewayHere = [
    "docker:Container gateway < mlflow-platform:Gateway gateway",
    "docker:Container gateway-secrets-seed < mlflow-platform:SecretFiles gateway-secrets",
    "docker:RemoteImage gateway < mlflow-platform:Image gateway",
    "docker:Volume gateway-secrets < mlflow-platform:SecretFiles gateway-secrets",
    "mlflow-platform:Gateway gateway < stack",
    "mlflow-platform:Image gateway < stack",
    "mlflow-platform:SecretFiles gateway-secrets < mlflow-platform:Gateway gateway",
];
const storeCertificate = [
    "mlflow-platform:ServerCertificate minio-certificate < stack",
    "random:RandomId minio-certificate < mlflow-platform:ServerCertificate minio-certificate",
];
/** What a served model is made of, and what its monitor. */
const modelServerHere = (name: string) => [
    `docker:Container ${name} < mlflow-platform:ModelServer ${name}`,
    `docker:Container ${name}-secrets-seed < mlflow-platform:SecretFiles ${name}-secrets`,
    `docker:Network ${name} < mlflow-platform:Network ${name}`,
    `docker:Volume ${name}-records < mlflow-platform:Volume ${name}-records`,
    `docker:Volume ${name}-secrets < mlflow-platform:SecretFiles ${name}-secrets`,
    `docker:Volume ${name}-state < mlflow-platform:Volume ${name}-state`,
    `mlflow-platform:ModelServer ${name} < stack`,
    `mlflow-platform:Network ${name} < stack`,
    `mlflow-platform:SecretFiles ${name}-secrets < mlflow-platform:ModelServer ${name}`,
    `mlflow-platform:Volume ${name}-records < stack`,
    `mlflow-platform:Volume ${name}-state < stack`,
];
const monitorHere = (name: string) => [
    `docker:Container ${name} < mlflow-platform:Monitor ${name}`,
    `docker:Container ${name}-project-seed < mlflow-platform:Monitor ${name}`,
    `docker:Container ${name}-secrets-seed < mlflow-platform:SecretFiles ${name}-secrets`,
    `docker:Volume ${name}-project < mlflow-platform:Monitor ${name}`,
    `docker:Volume ${name}-secrets < mlflow-platform:SecretFiles ${name}-secrets`,
    `mlflow-platform:Monitor ${name} < stack`,
    `mlflow-platform:SecretFiles ${name}-secrets < mlflow-platform:Monitor ${name}`,
];
const modelsHere = [
    "docker:RemoteImage model < mlflow-platform:Image model",
    "mlflow-platform:Image model < stack",
    ...modelServerHere("model-iris"),
    ...monitorHere("model-iris-monitor"),
    ...modelServerHere("model-wine"),
];
const everything = [...always, ...databaseHere, ...storeHere].sort();

/** Configurations with a database, a store, or both that somebody else runs. */
const externalDatabase = {
    pgHost: "db.example.com",
    pgPort: "6432",
    pgPassword: "hunter2",
    pgOwnerUser: "chief",
    pgOwnerPassword: "hunter3",
    pgSslMode: "verify-full",
};
const externalStore = {
    minioHost: "s3.example.com",
    minioPort: "443",
    minioStorageUseHttps: "true",
    minioAccessKey: "somebody",
    minioSecretAccessKey: "long enough",
};
const externalBoth = { ...externalDatabase, ...externalStore };
/** And with a gateway: the stack's own authority, a certificate that is given, ACME. */
const withGateway = { publicHost: "mlflow.example.com" };
const withCertificate = { ...withGateway, tlsCertificateFile: "given.pem", tlsPrivateKey: given.privateKey };
const withAcme = { ...withGateway, tlsEmail: "it@example.com", mlflowPort: "443" };
const withStoreTls = { minioStorageUseHttps: "true" };
const withoutLogin = { mlflowAuth: "false" };
/** And with two served models, one of which has a monitor. */
const withModels = {
    modelServers: JSON.stringify([
        { name: "iris", model: "Iris flowers", port: 5100, monitorSchedule: "0 * * * *" },
        { name: "wine", port: "5101", alias: "champion", memory: 1024, tokenVersion: 2 },
    ]),
    monitorUsername: "watchman",
    monitorPassword: "watchman's word",
    monitorProject: "lifecycle",
};
/** What is derived for them from this key, which is the generated one if nothing is said. */
const derivedFrom = (key = "generated model-server-key") => ({
    irisPassword: derivedText(key, accountPurpose({ name: "iris" })),
    irisToken: derivedText(key, tokenPurpose({ name: "iris", tokenVersion: 1 })),
    winePassword: derivedText(key, accountPurpose({ name: "wine" })),
    wineToken: derivedText(key, tokenPurpose({ name: "wine", tokenVersion: 2 })),
});

const tree = ({ registrations }: Recording<unknown>) =>
    registrations.map(({ key, parent }) => `${withoutHash(key)} < ${parent ?? "stack"}`).sort();

const services = ["minio", "mlflow", "postgres"];
const jobs = ["minio-provision", "mlflow-migrate"];
const seeds = [
    "minio-provision-secrets-seed",
    "minio-secrets-seed",
    "mlflow-migrate-secrets-seed",
    "mlflow-secrets-seed",
    "postgres-secrets-seed",
];

const containersOf = ({ registrations }: Recording<unknown>) =>
    registrations.filter(({ type }) => type === "docker:index/container:Container");
const named = (recording: Recording<unknown>, names: readonly string[]) =>
    names.map((name) => recording.get(`docker:Container ${name}`));

/** What is published, as "container address:port->port". */
const publishedBy = (recording: Recording<unknown>) =>
    containersOf(recording)
        .flatMap(({ name, inputs }) =>
            ((inputs.ports ?? []) as { ip: string; external: number; internal: number }[]).map(
                ({ ip, external, internal }) => `${name} ${ip}:${external}->${internal}`,
            ),
        )
        .sort();

/** What is protected. */
const protectedIn = ({ registrations }: Recording<unknown>) =>
    registrations
        .filter(({ options }) => options.protect)
        .map(({ key }) => key)
        .sort();
/** Of that, what there is whatever the configuration is. */
const alwaysProtected = [
    "docker:Volume gateway_data",
    "random:RandomId authority",
    "random:RandomId origin",
    "random:RandomPassword admin-password",
    "random:RandomPassword minio-access-key",
    "random:RandomPassword minio-root-password",
    "random:RandomPassword minio-root-user",
    "random:RandomPassword minio-secret-access-key",
    "random:RandomPassword mlflow-flask-secret-key",
    "random:RandomPassword mlflow-kek-passphrase",
    "random:RandomPassword model-server-key",
    "random:RandomPassword pg-auth-password",
    "random:RandomPassword pg-owner-password",
    "random:RandomPassword pg-password",
];
const dataHere = ["docker:Volume minio_data", "docker:Volume postgres_data"];

/** What containers take of other containers, each as "container.property: other". */
const takenFromContainers = (recording: Recording<unknown>) =>
    containersOf(recording).flatMap(({ name, takes }) =>
        Object.entries(takes).flatMap(([property, keys]) =>
            keys
                .filter((key) => key.startsWith("docker:Container "))
                .map((key) => `${name}.${property}: ${key.replace("docker:Container ", "")}`),
        ),
    );

describe("with the default configuration", () => {
    let made: Recording<Program>;
    beforeAll(async () => {
        made = await platform();
    });

    it("registers exactly this", () => {
        expect(tree(made)).toEqual(everything);
    });

    it("gives every resource a URN of its own", () => {
        const urns = made.registrations.map(({ urn }) => urn);
        expect(new Set(urns).size).toBe(urns.length);
    });

    it("has type tokens under which states find their resources again", () => {
        expect([...new Set(made.registrations.map(({ type }) => type))].sort()).toEqual([
            "docker:index/container:Container",
            "docker:index/network:Network",
            "docker:index/remoteImage:RemoteImage",
            "docker:index/volume:Volume",
            "mlflow-platform:index:CertificateAuthority",
            "mlflow-platform:index:GeneratedSecret",
            "mlflow-platform:index:Image",
            "mlflow-platform:index:Job",
            "mlflow-platform:index:Minio",
            "mlflow-platform:index:Mlflow",
            "mlflow-platform:index:Network",
            "mlflow-platform:index:Origin",
            "mlflow-platform:index:Postgres",
            "mlflow-platform:index:SecretFiles",
            "mlflow-platform:index:Volume",
            "random:index/randomId:RandomId",
            "random:index/randomPassword:RandomPassword",
        ]);
    });

    it("protects the data, the generated secrets and the origin, and nothing that stopping must remove", () => {
        expect(protectedIn(made)).toEqual([...alwaysProtected, ...dataHere].sort());
    });

    it("leaves nothing behind on the engine that it does not protect", () => {
        expect(made.registrations.filter(({ options }) => options.retainOnDelete)).toEqual([]);
    });

    it("keeps what is protected from depending on what stopping removes", () => {
        for (const { key, options } of made.registrations.filter((each) => each.options.protect)) {
            const removed = (options.dependencies ?? []).filter((other) => !made.get(other).options.protect);
            expect([key, removed]).toEqual([key, []]);
        }
    });

    it("deletes before it replaces whatever has a name or a port on the engine and may be replaced", () => {
        const engine = made.registrations.filter(({ type }) => type.startsWith("docker:"));
        const others = engine.filter(({ options }) => !options.deleteBeforeReplace).map(({ key }) => key);
        expect(others.sort()).toEqual(["docker:Volume gateway_data", ...dataHere]);
    });

    it("labels every container, volume and network with project, stack and origin", () => {
        const onEngine = made.registrations.filter(({ type }) => /^docker:.*:(Container|Volume|Network)$/.test(type));
        expect(onEngine).toHaveLength(20);
        for (const { key, inputs } of onEngine) {
            expect([key, inputs.labels]).toEqual([
                key,
                expect.arrayContaining([
                    { label: "mlflow-platform.project", value: "mlflow-platform" },
                    { label: "mlflow-platform.stack", value: "test" },
                    { label: "mlflow-platform.origin", value: "ana@laptop-0badcafe" },
                ]),
            ]);
        }
    });

    it("names the maker of the stack", () => {
        expect(made.get("random:RandomId origin").inputs.prefix).toBe(`${userInfo().username}@${hostname()}-`);
    });

    it("generates what configuration would take for the same key", () => {
        const generated = Object.fromEntries(
            made.registrations
                .filter(({ type }) => type.endsWith(":RandomPassword"))
                .map(({ name, inputs }) => {
                    const { length, lower } = inputs as { length: number; lower: boolean };
                    return [name, (lower ? "a" : "A").repeat(length)];
                }),
        );
        const { problems } = parseConfiguration({
            values: {
                minioRootUser: generated["minio-root-user"] ?? "",
                minioRootPassword: generated["minio-root-password"] ?? "",
                minioAccessKey: `${generated["minio-access-key"]?.slice(1) ?? ""}B`,
                minioSecretAccessKey: generated["minio-secret-access-key"] ?? "",
                pgOwnerPassword: generated["pg-owner-password"] ?? "",
                pgPassword: generated["pg-password"] ?? "",
                pgAuthPassword: generated["pg-auth-password"] ?? "",
                adminPassword: generated["admin-password"] ?? "",
                modelServerKey: generated["model-server-key"] ?? "",
            },
            secrets: new Set(Object.keys(keys)),
        });
        expect(problems).toEqual([]);
        // MLflow wants at least so much for the passphrase of users' credentials.
        expect(generated["mlflow-kek-passphrase"]).toHaveLength(32);
        expect(generated["mlflow-flask-secret-key"]).toHaveLength(32);
    });

    it("leaves every name on the engine to autonaming, so that stacks live side by side", () => {
        const names = made.registrations
            .filter(({ type }) => /^docker:.*:(Container|Volume|Network)$/.test(type))
            .filter(({ inputs }) => "name" in inputs);
        expect(names).toEqual([]);
    });

    it("runs what it builds", () => {
        const tag = (name: keyof typeof builds) => buildTag(name, builds[name]).tag;
        const images = Object.fromEntries(containersOf(made).map(({ name, inputs }) => [name, inputs.image]));
        expect(images).toEqual({
            postgres: tag("postgres"),
            minio: tag("minio"),
            "minio-provision": tag("minio"),
            mlflow: tag("mlflow"),
            "mlflow-migrate": tag("mlflow"),
            ...Object.fromEntries(seeds.map((name) => [name, tag("seed")])),
        });
    });

    it("has written the files that its builds mount", () => {
        const secrets = (made.get("docker:RemoteImage mlflow").inputs.build as { secrets: { src: string }[] }).secrets;
        expect(secrets.map(({ src }) => existsSync(src))).toEqual([true, true, true]);
    });

    it("mounts each volume where it belongs, and credentials read-only", () => {
        const mounts = containersOf(made).flatMap(({ name, inputs }) =>
            (inputs.volumes as { volumeName: string; containerPath: string; readOnly: boolean }[]).map(
                ({ volumeName, containerPath, readOnly }) =>
                    `${name}: ${volumeName.replace("mlflow-platform-test-", "")} at ${containerPath}${readOnly ? " (ro)" : ""}`,
            ),
        );
        expect(mounts.sort()).toEqual([
            "minio-provision-secrets-seed: minio-provision-secrets at /run/secrets/platform",
            "minio-provision: minio-provision-secrets at /run/secrets/platform (ro)",
            "minio-secrets-seed: minio-secrets at /run/secrets/platform",
            "minio: minio-secrets at /run/secrets/platform (ro)",
            "minio: minio_data at /data",
            "mlflow-migrate-secrets-seed: mlflow-migrate-secrets at /run/secrets/platform",
            "mlflow-migrate: mlflow-migrate-secrets at /run/secrets/platform (ro)",
            "mlflow-secrets-seed: mlflow-secrets at /run/secrets/platform",
            "mlflow: mlflow-secrets at /run/secrets/platform (ro)",
            "mlflow: mlflow-transfers at /var/lib/mlflow/tmp",
            "postgres-secrets-seed: postgres-secrets at /run/secrets/platform",
            "postgres: postgres-secrets at /run/secrets/platform (ro)",
            "postgres: postgres_data at /var/lib/postgresql",
        ]);
    });

    it("publishes three ports, all on loopback", () => {
        expect(publishedBy(made)).toEqual([
            "minio 127.0.0.1:9000->9000",
            "minio 127.0.0.1:9001->9001",
            "mlflow 127.0.0.1:5000->5000",
        ]);
    });

    it("starts things in this order", () => {
        const direct = (name: string) =>
            (made.get(`docker:Container ${name}`).options.dependencies ?? [])
                .filter((key) => key.startsWith("docker:Container "))
                .map((key) => key.replace("docker:Container ", ""));
        expect(Object.fromEntries([...services, ...jobs].map((name) => [name, direct(name)]))).toEqual({
            postgres: ["postgres-secrets-seed"],
            minio: ["minio-secrets-seed"],
            "minio-provision": ["minio", "minio-provision-secrets-seed"],
            "mlflow-migrate": ["mlflow-migrate-secrets-seed", "postgres"],
            mlflow: ["minio", "minio-provision", "mlflow-migrate", "mlflow-secrets-seed", "postgres"],
        });
    });

    it("replaces no container because another one is replaced, but the server with its migration", () => {
        expect(takenFromContainers(made)).toEqual(["mlflow.labels: mlflow-migrate"]);
    });

    it("warns of nothing", () => {
        expect(made.warnings).toEqual([]);
    });
});

describe("with a database or a store that somebody else runs", () => {
    it.each<[string, Record<string, string>, string[]]>([
        ["a PostgreSQL", externalDatabase, [...databaseElsewhere, ...storeHere]],
        ["an S3 store", externalStore, [...databaseHere, ...storeElsewhere]],
        ["both", externalBoth, [...databaseElsewhere, ...storeElsewhere]],
    ])("registers exactly this: %s", async (_words, configuration, others) => {
        const made = await platform(configuration);
        expect(tree(made)).toEqual([...always, ...others].sort());
        expect(made.warnings).toEqual([]);
    });

    it.each<[string, Record<string, string>, string | undefined]>([
        ["through the server by default", {}, undefined],
        ["from MinIO where that is published", { artifactTransfer: "presigned" }, "http://127.0.0.1:9000"],
        [
            "from the gateway",
            { artifactTransfer: "presigned", ...withGateway, ...withStoreTls },
            "https://mlflow.example.com:9000",
        ],
        [
            "from the store itself, by a gateway or not",
            { artifactTransfer: "presigned", ...externalStore, ...withGateway },
            "https://s3.example.com:443",
        ],
    ])("clients fetch artifacts %s", async (_words, configuration, endpoint) => {
        const made = await platform(configuration);
        const envs = made.get("docker:Container mlflow").inputs.envs as string[];
        expect(envs.filter((line) => line.startsWith("S3_PUBLIC_ENDPOINT="))).toEqual(
            endpoint === undefined ? [] : [`S3_PUBLIC_ENDPOINT=${endpoint}`],
        );
    });

    it("warns where nobody has split the rights", async () => {
        const { warnings } = await platform({ pgHost: "db.example.com", pgPassword: "hunter2" });
        expect(warnings).toEqual([
            expect.stringMatching(/^mlflow-platform:ExternalPostgres postgres: rights are not split: /),
        ]);
    });

    describe("both", () => {
        let made: Recording<Program>;
        beforeAll(async () => {
            made = await platform(externalBoth);
        });

        it("has type tokens of its own for them", () => {
            const external = made.registrations.filter(({ type }) => type.includes("External"));
            expect(external.map(({ type, name }) => `${type} ${name}`)).toEqual([
                "mlflow-platform:index:ExternalPostgres postgres",
                "mlflow-platform:index:ExternalS3 s3",
            ]);
        });

        it("protects no data, which is not its own, but every generated secret and the origin", () => {
            expect(protectedIn(made)).toEqual(alwaysProtected);
        });

        it("publishes the tracking server alone", () => {
            expect(publishedBy(made)).toEqual(["mlflow 127.0.0.1:5000->5000"]);
        });

        it("runs MLflow's image for every program there is", () => {
            const images = Object.fromEntries(containersOf(made).map(({ name, inputs }) => [name, inputs.image]));
            const mlflow = buildTag("mlflow", builds.mlflow).tag;
            const seed = buildTag("seed", builds.seed).tag;
            expect(images).toEqual({
                mlflow,
                "mlflow-migrate": mlflow,
                "s3-bucket": mlflow,
                "mlflow-secrets-seed": seed,
                "mlflow-migrate-secrets-seed": seed,
                "s3-bucket-secrets-seed": seed,
            });
        });

        it("starts the server after its migration and after the bucket, and replaces it with the former alone", () => {
            expect(
                (made.get("docker:Container mlflow").options.dependencies ?? []).filter((key) =>
                    key.startsWith("docker:Container "),
                ),
            ).toEqual([
                "docker:Container mlflow-migrate",
                "docker:Container mlflow-secrets-seed",
                "docker:Container s3-bucket",
            ]);
            expect(takenFromContainers(made)).toEqual(["mlflow.labels: mlflow-migrate"]);
        });

        it("waits for them as long as configured", async () => {
            const patient = await platform({ ...externalBoth, pgWaitSeconds: "70", minioWaitSeconds: "80" });
            const timeout = (name: string) =>
                (patient.get(`docker:Container ${name}`).inputs.envs as string[]).filter((line) =>
                    line.startsWith("TIMEOUT="),
                );
            expect([timeout("mlflow-migrate"), timeout("s3-bucket")]).toEqual([["TIMEOUT=70"], ["TIMEOUT=80"]]);
        });

        it("labels every container, volume and network", () => {
            const onEngine = made.registrations.filter(({ type }) =>
                /^docker:.*:(Container|Volume|Network)$/.test(type),
            );
            expect(onEngine).toHaveLength(12);
            for (const { key, inputs } of onEngine) {
                expect([key, inputs.labels]).toEqual([
                    key,
                    expect.arrayContaining([
                        { label: "mlflow-platform.project", value: "mlflow-platform" },
                        { label: "mlflow-platform.stack", value: "test" },
                        { label: "mlflow-platform.origin", value: "ana@laptop-0badcafe" },
                    ]),
                ]);
            }
        });
    });
});

describe("with a gateway", () => {
    const tls = { ...withGateway, ...withStoreTls, bindAddress: "0.0.0.0", gatewayHttpPort: "80" };

    it.each<[string, Record<string, string>, string[]]>([
        ["and the stack's own authority", withGateway, [...databaseHere, ...storeHere]],
        ["and a certificate that is given", withCertificate, [...databaseHere, ...storeHere]],
        ["and ACME", withAcme, [...databaseHere, ...storeHere]],
        [
            "and a database and a store elsewhere",
            { ...externalBoth, ...withGateway },
            [...databaseElsewhere, ...storeElsewhere],
        ],
    ])("registers exactly this: %s", async (_words, configuration, others) => {
        const made = await platform(configuration);
        expect(tree(made)).toEqual([...always, ...gatewayHere, ...others].sort());
        expect(made.warnings).toEqual([]);
    });

    it.each<[string, Record<string, string>, string[]]>([
        ["MinIO by TLS", withStoreTls, []],
        ["MinIO by TLS behind a gateway", { ...withStoreTls, ...withGateway }, gatewayHere],
    ])("or without registers a certificate of its own for %s", async (_words, configuration, others) => {
        expect(tree(await platform(configuration))).toEqual([...everything, ...storeCertificate, ...others].sort());
    });

    const inside = ["DNS:minio", "DNS:s3", "DNS:mlflow_minio"];
    const here = ["DNS:localhost", "IP Address:127.0.0.1"];
    it.each<[string, Record<string, string>, string[]]>([
        ["loopback alone", {}, here],
        ["another loopback address", { bindAddress: "127.0.0.2" }, [...here, "IP Address:127.0.0.2"]],
        [
            "every address, which no certificate can name",
            { bindAddress: "0.0.0.0", allowInsecureExposure: "true" },
            here,
        ],
        ["a gateway", withGateway, ["DNS:mlflow.example.com", ...here]],
        [
            "a gateway on one address",
            { ...withGateway, bindAddress: "192.168.1.10" },
            ["DNS:mlflow.example.com", ...here, "IP Address:192.168.1.10"],
        ],
    ])(
        "or without has MinIO's certificate be for its names on the network and those of %s",
        async (_words, more, names) => {
            const { registrations } = await platform({ ...withStoreTls, ...more });
            const made = registrations.find(
                ({ type, name }) => type.includes("RandomId") && withoutHash(name) === "minio-certificate",
            );
            const { certificate } = revealed(made?.inputs.keepers) as { certificate: string };
            expect(new X509Certificate(certificate).subjectAltName?.split(", ")).toEqual([...inside, ...names]);
        },
    );

    const network = ["http://mlflow:5000", "http://mlflow-platform-test-mlflow:5000"];
    it.each<[string, Record<string, string>, string[]]>([
        ["nothing else", {}, []],
        ["another loopback address", { bindAddress: "127.0.0.2" }, ["http://127.0.0.2:5000"]],
        ["a gateway", withGateway, ["https://mlflow.example.com:5000"]],
        [
            "a gateway on one address, on the port of https",
            { ...withGateway, bindAddress: "192.168.1.10", mlflowPort: "443" },
            ["https://mlflow.example.com", "https://192.168.1.10"],
        ],
    ])("or without has the web UI work from where it is published: %s", async (_words, more, origins) => {
        const envs = (await platform(more)).get("docker:Container mlflow").inputs.envs as string[];
        expect(envs).toContain(`MLFLOW_SERVER_CORS_ALLOWED_ORIGINS=${[...origins, ...network].join(",")}`);
    });

    it.each<[string, Record<string, string>, string[]]>([
        ["what runs here", withGateway, ["127.0.0.1:5000->5000", "127.0.0.1:9000->9000", "127.0.0.1:9001->9001"]],
        [
            "it on other ports, and plain HTTP",
            { ...tls, mlflowPort: "443", minioPort: "9010", minioConsoleAddress: ":9011" },
            ["0.0.0.0:443->443", "0.0.0.0:80->80", "0.0.0.0:9010->9010", "0.0.0.0:9011->9011"],
        ],
        [
            "the tracking server alone beside a store elsewhere",
            { ...externalStore, ...withGateway },
            ["127.0.0.1:5000->5000"],
        ],
    ])("publishes, and nothing else does, %s", async (_words, configuration, published) => {
        expect(publishedBy(await platform(configuration))).toEqual(published.map((one) => `gateway ${one}`));
    });

    /** What the server is replaced with, as the engine's lists are sorted. */
    const causesOfMlflow = [
        ...["docker:Container mlflow", "docker:Container mlflow-migrate"],
        ...["docker:Container mlflow-migrate-secrets-seed", "docker:Container mlflow-secrets-seed"],
        ...["docker:RemoteImage mlflow", "docker:Volume mlflow-migrate-secrets", "docker:Volume mlflow-secrets"],
    ];
    const causesOfMinio = [
        ...["docker:Container minio", "docker:Container minio-secrets-seed"],
        ...["docker:RemoteImage minio", "docker:Volume minio-secrets"],
    ];

    it("takes nothing of a store elsewhere, which is not behind it", async () => {
        const made = await platform({ ...externalBoth, ...withGateway });
        expect(takenFromContainers(made)).toEqual(["mlflow.labels: mlflow-migrate"]);
        expect(made.get("docker:Container gateway").options.replaceWith).toEqual([
            "docker:Container gateway-secrets-seed",
            ...causesOfMlflow,
        ]);
    });

    describe("and TLS to MinIO", () => {
        let made: Recording<Program>;
        beforeAll(async () => {
            made = await platform(tls);
        });
        const dependencies = (name: string) =>
            (made.get(`docker:Container ${name}`).options.dependencies ?? []).filter((key) =>
                key.startsWith("docker:Container "),
            );
        const file = (seed: string, path: string) =>
            (made.get(`docker:Container ${seed}`).inputs.uploads as { file: string; content: unknown }[]).find(
                (upload) => upload.file === `/run/secrets/platform/${path}`,
            )?.content;

        it("has type tokens of its own for them", () => {
            const types = ["Gateway gateway", "CertificateAuthority authority", "ServerCertificate minio-certificate"];
            expect(
                made.registrations
                    .filter(({ type }) => /Gateway|Certificate/.test(type))
                    .map(({ type, name }) => `${type} ${name}`)
                    .sort(),
            ).toEqual(types.map((type) => `mlflow-platform:index:${type}`).sort());
        });

        it("starts the gateway after what it stands before, and replaces it with that, because they take over ports", () => {
            const before = ["docker:Container gateway-secrets-seed", ...causesOfMlflow, ...causesOfMinio].sort();
            expect(dependencies("gateway").sort()).toEqual(before.filter((key) => key.startsWith("docker:Container ")));
            expect([...(made.get("docker:Container gateway").options.replaceWith ?? [])].sort()).toEqual(before);
            expect(dependencies("mlflow").filter((key) => key.includes("gateway"))).toEqual([]);
            expect(takenFromContainers(made)).toEqual(["mlflow.labels: mlflow-migrate"]);
        });

        it("mounts what the gateway keeps, and its files read-only", () => {
            expect(made.get("docker:Container gateway").inputs.volumes).toEqual([
                { volumeName: "mlflow-platform-test-gateway_data", containerPath: "/data", readOnly: false },
                {
                    volumeName: "mlflow-platform-test-gateway-secrets",
                    containerPath: "/run/secrets/platform",
                    readOnly: true,
                },
            ]);
        });

        it("runs what it builds", () => {
            expect(made.get("docker:Container gateway").inputs.image).toBe(buildTag("gateway", builds.gateway).tag);
        });

        it("has the gateway check MinIO, which serves with its own certificate, by the stack's authority", () => {
            expect(file("gateway-secrets-seed", "s3_ca")).toEqual(secret(keptAuthority.certificate));
            expect(file("gateway-secrets-seed", "ca_private_key")).toEqual(secret(keptAuthority.privateKey));
            expect(file("mlflow-secrets-seed", "s3_ca")).toEqual(secret(keptAuthority.certificate));
            expect(file("minio-secrets-seed", "tls_certificate")).toEqual(
                secret(expect.stringMatching(/^certificate of minio-certificate-[0-9a-f]{8}$/)),
            );
            const { apps } = JSON.parse(String((file("gateway-secrets-seed", "caddy.json") as Secret).value)) as {
                apps: { http: { servers: object } };
            };
            const upstreams = JSON.stringify(apps.http.servers).match(/"dial":"[^"]*"/g) ?? [];
            expect([...new Set(upstreams)].sort()).toEqual([
                '"dial":"minio:9000"',
                '"dial":"minio:9001"',
                '"dial":"mlflow:5000"',
            ]);
        });

        it("labels every container, volume and network", () => {
            const onEngine = made.registrations.filter(({ type }) =>
                /^docker:.*:(Container|Volume|Network)$/.test(type),
            );
            expect(onEngine).toHaveLength(23);
            for (const { key, inputs } of onEngine) {
                expect([key, inputs.labels]).toEqual([
                    key,
                    expect.arrayContaining([{ label: "mlflow-platform.origin", value: "ana@laptop-0badcafe" }]),
                ]);
            }
        });
    });

    it.each<[string, Record<string, string>, string[]]>([
        ["login off", withoutLogin, dataHere],
        ["a gateway", withGateway, dataHere],
        ["a certificate that is given", withCertificate, dataHere],
        ["ACME", withAcme, dataHere],
        ["TLS to MinIO", withStoreTls, dataHere],
        ["presigned artifacts", { artifactTransfer: "presigned" }, dataHere],
        ["passwords that are set", { adminPassword: "long enough for all", pgAuthPassword: "word" }, dataHere],
        ["served models", withModels, dataHere],
        ["served models behind a gateway, without login", { ...withModels, ...withGateway, ...withoutLogin }, dataHere],
        ["all of them, and database and store elsewhere", { ...externalBoth, ...withAcme, ...withoutLogin }, []],
    ])("or without, nothing protected leaves the program with %s", async (_words, configuration, data) => {
        expect(protectedIn(await platform(configuration))).toEqual([...alwaysProtected, ...data].sort());
    });
});

describe("with served models", () => {
    const { irisPassword, irisToken, winePassword, wineToken } = derivedFrom();
    const networks = (made: Recording<Program>, name: string) => {
        const of = made.get(`docker:Container ${name}`).inputs.networksAdvanced as {
            name: string;
            aliases: string[];
        }[];
        return Object.fromEntries(of.map((network) => [network.name, network.aliases]));
    };
    const files = (made: Recording<Program>, seed: string) =>
        Object.fromEntries(
            (made.get(`docker:Container ${seed}`).inputs.uploads as { file: string; content: unknown }[]).map(
                ({ file, content }) => [file.replace("/run/secrets/platform/", ""), content],
            ),
        );
    const envs = (made: Recording<Program>, name: string) =>
        Object.fromEntries(
            (made.get(`docker:Container ${name}`).inputs.envs as string[]).map((line) => [
                line.slice(0, line.indexOf("=")),
                line.slice(line.indexOf("=") + 1),
            ]),
        );
    const containersBefore = (made: Recording<Program>, name: string) =>
        (made.get(`docker:Container ${name}`).options.dependencies ?? []).filter((key) =>
            key.startsWith("docker:Container "),
        );

    it.each<[string, Record<string, string>, string[]]>([
        ["published here", {}, []],
        ["without login", withoutLogin, []],
        ["behind a gateway", withGateway, gatewayHere],
        ["behind a gateway, without login", { ...withGateway, ...withoutLogin }, gatewayHere],
    ])("registers exactly this: %s", async (_words, configuration, others) => {
        const made = await platform({ ...withModels, ...configuration });
        expect(tree(made)).toEqual([...everything, ...modelsHere, ...others].sort());
        const open = ["model-iris", "model-wine"].map(
            (name) =>
                `mlflow-platform:ModelServer ${name}: ${name}: without login (mlflowAuth) the code of a served model can read ` +
                "and write everything in MLflow",
        );
        expect(made.warnings).toEqual("mlflowAuth" in configuration ? open : []);
    });

    it("registers the same beside a database and a store elsewhere", async () => {
        const made = await platform({ ...externalBoth, ...withModels });
        expect(tree(made)).toEqual([...always, ...databaseElsewhere, ...storeElsewhere, ...modelsHere].sort());
    });

    it.each([
        ["an empty list", { modelServers: "[]" }],
        ["settings for them alone", { ...withModels, modelServers: "[]", packageIndexUrl: "https://pypi.example.com" }],
    ])("is none at all with %s", async (_words, configuration) => {
        expect(tree(await platform(configuration))).toEqual(everything);
    });

    it.each<[string, Record<string, string>, string[]]>([
        ["on loopback", {}, ["model-iris 127.0.0.1:5100->8080", "model-wine 127.0.0.1:5101->8080"]],
        [
            "on loopback, whatever the rest is published on: scoring has no login",
            { bindAddress: "192.0.2.7", allowInsecureExposure: "true" },
            ["model-iris 127.0.0.1:5100->8080", "model-wine 127.0.0.1:5101->8080"],
        ],
        [
            "by the gateway alone, with one",
            { ...withGateway, bindAddress: "192.0.2.7" },
            ["gateway 192.0.2.7:5100->5100", "gateway 192.0.2.7:5101->5101"],
        ],
    ])("publishes them %s", async (_words, configuration, published) => {
        const made = await platform({ ...withModels, ...configuration });
        expect(publishedBy(made).filter((one) => /:510\d->/.test(one))).toEqual(published);
    });

    it.each(["iris-monitor", "iris-secrets", "iris-state", "iris-secrets-seed", "iris-monitor-project-seed"])(
        "are refused, or nothing of them is called alike on the engine: iris and %s",
        async (other) => {
            const modelServers = JSON.stringify(
                ["iris", other].map((name, index) => ({ name, port: 5100 + index, monitorSchedule: "0 * * * *" })),
            );
            const made = await platform({ ...withModels, modelServers }).catch((error: unknown) => {
                expect(error).toBeInstanceOf(UpdateError);
                expect((error as Error).message).toContain("modelServers[1].name: ");
            });
            const keys = (made?.registrations ?? []).map(({ key }) => key).filter((key) => key.startsWith("docker:"));
            expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
        },
    );

    describe("published here", () => {
        let made: Recording<Program>;
        beforeAll(async () => {
            made = await platform(withModels);
        });

        it("has type tokens under which states find their resources again", () => {
            expect(
                [...new Set(made.registrations.map(({ type }) => type))]
                    .filter((type) => /Model|Monitor/.test(type))
                    .sort(),
            ).toEqual(["mlflow-platform:index:ModelServer", "mlflow-platform:index:Monitor"]);
        });

        it("labels every container, volume and network", () => {
            const onEngine = made.registrations.filter(({ type }) =>
                /^docker:.*:(Container|Volume|Network)$/.test(type),
            );
            expect(onEngine).toHaveLength(20 + 2 * 6 + 5);
            for (const { key, inputs } of onEngine) {
                expect([key, inputs.labels]).toEqual([
                    key,
                    expect.arrayContaining([
                        { label: "mlflow-platform.project", value: "mlflow-platform" },
                        { label: "mlflow-platform.stack", value: "test" },
                        { label: "mlflow-platform.origin", value: "ana@laptop-0badcafe" },
                    ]),
                ]);
            }
        });

        it("keeps what they hold on the engine, though they may leave the program", () => {
            const kept = made.registrations.filter(({ options }) => options.retainOnDelete).map(({ key }) => key);
            expect(kept.sort()).toEqual([
                "docker:Volume model-iris-records",
                "docker:Volume model-iris-state",
                "docker:Volume model-wine-records",
                "docker:Volume model-wine-state",
            ]);
            expect(protectedIn(made).filter((key) => key.includes("model-"))).toEqual([
                "random:RandomPassword model-server-key",
            ]);
        });

        it("has each on a network of its own, with the tracking server and its monitor, and with no other", () => {
            expect(networks(made, "model-iris")).toEqual({ "id of model-iris": ["model-iris"] });
            expect(networks(made, "model-iris-monitor")).toEqual({ "id of model-iris": [] });
            expect(networks(made, "model-wine")).toEqual({ "id of model-wine": ["model-wine"] });
            expect(networks(made, "mlflow")).toEqual({
                "id of backend": ["mlflow"],
                "id of model-iris": ["mlflow"],
                "id of model-wine": ["mlflow"],
            });
            for (const name of ["postgres", "minio", "minio-provision", "mlflow-migrate"]) {
                expect(Object.keys(networks(made, name))).toEqual(["id of backend"]);
            }
        });

        it("has each read its model, as its own account", () => {
            expect(envs(made, "model-iris")).toMatchObject({
                MODEL_NAME: "Iris flowers",
                MODEL_ALIAS: "production",
                MLFLOW_TRACKING_URI: "http://mlflow:5000",
                MLFLOW_TRACKING_USERNAME: "model-server-iris",
            });
            expect(envs(made, "model-wine")).toMatchObject({
                MODEL_NAME: "wine",
                MODEL_ALIAS: "champion",
                MLFLOW_TRACKING_USERNAME: "model-server-wine",
            });
            expect(files(made, "model-iris-secrets-seed")).toEqual({
                mlflow_password: secret(irisPassword),
            });
            expect(files(made, "model-wine-secrets-seed").mlflow_password).toEqual(secret(winePassword));
        });

        it("has the migration make these accounts", () => {
            expect(JSON.parse(envs(made, "mlflow-migrate").MODEL_SERVERS ?? "")).toEqual({
                "model-server-iris": "Iris flowers",
                "model-server-wine": "wine",
            });
            expect(files(made, "mlflow-migrate-secrets-seed").model_server_passwords).toEqual(
                secret(JSON.stringify({ "model-server-iris": irisPassword, "model-server-wine": winePassword })),
            );
        });

        it("has each of its size, with the fields that are set and the defaults of the others", () => {
            const { memory, cpus, waitTimeout } = made.get("docker:Container model-wine").inputs;
            expect([memory, cpus, waitTimeout]).toEqual([1024, "1.0", 900]);
            expect(made.get("docker:Container model-iris").inputs.memory).toBe(2048);
        });

        it("has the monitor watch the model that it stands beside, as its own user", () => {
            const { command } = made.get("docker:Container model-iris-monitor").inputs as { command: string[] };
            expect(command).toEqual(expect.arrayContaining(["0 * * * *", "model=Iris flowers", "alias=production"]));
            expect(files(made, "model-iris-monitor-secrets-seed")[".mlflow/credentials"]).toEqual(
                secret("[mlflow]\nmlflow_tracking_username = watchman\nmlflow_tracking_password = watchman's word\n"),
            );
            expect(files(made, "model-iris-monitor-project-seed")).toEqual({
                "/project/python/MLproject": "name: lifecycle\n",
            });
        });

        it("shares records between a model server, which writes them, and its monitor, which reads them", () => {
            const mounts = (name: string) =>
                (
                    made.get(`docker:Container ${name}`).inputs.volumes as {
                        volumeName: string;
                        containerPath: string;
                        readOnly: boolean;
                    }[]
                ).map(({ volumeName, containerPath, readOnly }) =>
                    [volumeName.replace("mlflow-platform-test-", ""), containerPath, readOnly ? "ro" : "rw"].join(" "),
                );
            expect(mounts("model-iris")).toEqual([
                "model-iris-state /var/lib/model-server rw",
                "model-iris-records /var/lib/records rw",
                "model-iris-secrets /run/secrets/platform ro",
            ]);
            expect(mounts("model-iris-monitor")).toEqual([
                "model-iris-monitor-project /project ro",
                "model-iris-records /var/lib/records ro",
                "model-iris-monitor-secrets /run/secrets/platform ro",
            ]);
        });

        it("starts them after the tracking server, and monitors after them", () => {
            const mlflow = ["mlflow", "mlflow-migrate", "mlflow-migrate-secrets-seed", "mlflow-secrets-seed"];
            const keys = (...names: string[]) => names.map((name) => `docker:Container ${name}`).sort();
            expect(containersBefore(made, "model-wine")).toEqual(keys(...mlflow, "model-wine-secrets-seed"));
            expect(containersBefore(made, "model-iris-monitor")).toEqual(
                keys(
                    "model-iris",
                    "model-iris-secrets-seed",
                    "model-iris-monitor-project-seed",
                    "model-iris-monitor-secrets-seed",
                ),
            );
            expect(takenFromContainers(made)).toEqual(["mlflow.labels: mlflow-migrate"]);
        });

        it("runs what it builds", () => {
            const images = Object.fromEntries(containersOf(made).map(({ name, inputs }) => [name, inputs.image]));
            const model = buildTag("model", builds.model).tag;
            const seed = buildTag("seed", builds.seed).tag;
            expect(images).toMatchObject({
                mlflow: buildTag("mlflow", builds.mlflow).tag,
                "model-iris": model,
                "model-iris-monitor": model,
                "model-wine": model,
                "model-iris-secrets-seed": seed,
                "model-iris-monitor-project-seed": seed,
                "model-iris-monitor-secrets-seed": seed,
            });
        });
    });

    it("makes no account where nobody logs in, and its monitor is nobody", async () => {
        const made = await platform({ ...withModels, ...withoutLogin });
        expect(Object.keys(envs(made, "model-iris"))).not.toContain("MLFLOW_TRACKING_USERNAME");
        expect(files(made, "model-iris-secrets-seed")).toEqual({});
        expect(files(made, "model-iris-monitor-secrets-seed")).toEqual({ ".mlflow/credentials": secret("[mlflow]\n") });
        expect(Object.keys(envs(made, "mlflow-migrate"))).not.toContain("MODEL_SERVERS");
        expect(Object.keys(files(made, "mlflow-migrate-secrets-seed"))).toEqual(["pgpass"]);
    });

    it("has them install packages as is configured", async () => {
        const made = await platform({
            ...withModels,
            packageIndexUrl: "https://pypi.example.com/simple",
            packageCaFile: "authority.pem",
        });
        for (const name of ["model-iris", "model-wine"]) {
            expect(files(made, `${name}-secrets-seed`)).toMatchObject({
                "packages.env": secret(
                    "export PIP_INDEX_URL=https://pypi.example.com/simple\nexport UV_DEFAULT_INDEX=https://pypi.example.com/simple\n",
                ),
                package_ca: secret(authorities.one),
            });
        }
    });

    it("has a key that is configured be the one from which all is derived", async () => {
        const modelServerKey = "another key, of more than 32 characters";
        const made = await platform({ ...withModels, ...withGateway, modelServerKey });
        const derived = derivedFrom(modelServerKey);
        expect(files(made, "model-iris-secrets-seed").mlflow_password).toEqual(secret(derived.irisPassword));
        expect(files(made, "gateway-secrets-seed")["model-wine-token"]).toEqual(secret(derived.wineToken));
    });

    describe("behind a gateway", () => {
        let made: Recording<Program>;
        beforeAll(async () => {
            made = await platform({ ...withModels, ...withGateway });
        });

        it("joins the gateway to the network of each, and nobody else", () => {
            expect(networks(made, "gateway")).toEqual({
                "id of backend": ["gateway", "mlflow.example.com"],
                "id of model-iris": [],
                "id of model-wine": [],
            });
            expect(networks(made, "model-iris")).toEqual({ "id of model-iris": ["model-iris"] });
        });

        it("has the gateway ask for each one's token, and pass on to it", () => {
            expect(files(made, "gateway-secrets-seed")).toMatchObject({
                "model-iris-token": secret(irisToken),
                "model-wine-token": secret(wineToken),
            });
            const text = String((files(made, "gateway-secrets-seed")["caddy.json"] as Secret).value);
            expect(text).not.toContain(irisToken);
            const { apps } = JSON.parse(text) as { apps: { http: { servers: Record<string, object> } } };
            expect(Object.keys(apps.http.servers)).toEqual(["tracking", "s3", "console", "model-iris", "model-wine"]);
            for (const [name, port] of [
                ["model-iris", 5100],
                ["model-wine", 5101],
            ] as const) {
                const site = JSON.stringify(apps.http.servers[name]);
                expect(site).toContain(`"listen":[":${port}"]`);
                expect(site).toContain(`Bearer {file./run/secrets/platform/${name}-token}`);
                expect(site).toContain(`"dial":"${name}:8080"`);
            }
        });

        it("starts the gateway after them, and replaces it with them, because they take over ports", () => {
            const before = ["model-iris", "model-iris-secrets-seed", "model-wine", "model-wine-secrets-seed"].map(
                (name) => `docker:Container ${name}`,
            );
            expect(containersBefore(made, "gateway")).toEqual(expect.arrayContaining(before));
            expect(made.get("docker:Container gateway").options.replaceWith).toEqual(
                expect.arrayContaining([
                    ...before,
                    "docker:Volume model-iris-secrets",
                    "docker:Volume model-wine-secrets",
                ]),
            );
            expect(containersBefore(made, "gateway").filter((key) => key.includes("monitor"))).toEqual([]);
        });
    });

    it("uploads no empty file, which the provider refuses", async () => {
        writeFileSync("lifecycle/python/__init__.py", "");
        const made = await platform(withModels);
        rmSync("lifecycle/python/__init__.py");
        const uploads = containersOf(made).flatMap(({ inputs }) =>
            ((inputs.uploads ?? []) as { file: string; content: unknown }[]).map(({ file, content }) => [
                file,
                revealed(content),
            ]),
        );
        expect(uploads.map(([file]) => file)).toContain("/project/python/__init__.py");
        expect(uploads.filter(([, content]) => content === "")).toEqual([]);
    });

    it("has an address for each that is there, where another one could not be made", async () => {
        const { result } = await withFailures(async () => {
            const made = await platform(withModels, { impossible: ["docker:Container model-iris"] });
            return valueOf(pulumi.output(made.result.modelServerUrls) as pulumi.Output<unknown>);
        });
        expect(result).toEqual({ iris: undefined, wine: "http://127.0.0.1:5101" });
    });
});

describe.each([
    [
        "with a gateway and TLS to MinIO",
        { ...withGateway, ...withStoreTls, artifactTransfer: "presigned" },
        ["gateway", ...services],
        jobs,
        ["gateway-secrets-seed", ...seeds],
    ],
    [
        "with a gateway and served models",
        { ...withGateway, ...withModels },
        ["gateway", ...services, "model-iris", "model-iris-monitor", "model-wine"],
        jobs,
        [
            "gateway-secrets-seed",
            ...seeds,
            "model-iris-secrets-seed",
            "model-iris-monitor-project-seed",
            "model-iris-monitor-secrets-seed",
            "model-wine-secrets-seed",
        ],
    ],
    ["with all that can run here", {}, services, jobs, seeds],
    [
        "with database and store elsewhere",
        externalBoth,
        ["mlflow"],
        ["mlflow-migrate", "s3-bucket"],
        ["mlflow-migrate-secrets-seed", "mlflow-secrets-seed", "s3-bucket-secrets-seed"],
    ],
])("hardening holds for every container there is, %s", (_words, configuration, services, jobs, seeds) => {
    let made: Recording<Program>;
    beforeAll(async () => {
        made = await platform(configuration);
    });

    it("each is a service, a job or a seed", () => {
        expect(
            containersOf(made)
                .map(({ name }) => name)
                .sort(),
        ).toEqual([...services, ...jobs, ...seeds].sort());
    });

    it.each<[string, readonly string[], (inputs: Registration["inputs"]) => boolean]>([
        ["not root", [...services, ...jobs], ({ user }) => /^[1-9]\d*:[1-9]\d*$/.test(String(user))],
        ["a read-only root", [...services, ...jobs], ({ readOnly }) => readOnly === true],
        [
            "no capability at all",
            [...services, ...jobs, ...seeds],
            ({ capabilities }) => JSON.stringify(capabilities) === '{"adds":[],"drops":["ALL"]}',
        ],
        [
            "no new privileges",
            [...services, ...jobs, ...seeds],
            ({ securityOpts }) => JSON.stringify(securityOpts) === '["no-new-privileges"]',
        ],
        ["an init", [...services, ...jobs], ({ init }) => init === true],
        [
            "memory without swap",
            [...services, ...jobs],
            ({ memory, memorySwap }) => Number(memory) > 0 && memory === memorySwap,
        ],
        ["a CPU limit", [...services, ...jobs], ({ cpus }) => Number(cpus) > 0],
        ["a health check", services, ({ healthcheck }) => healthcheck !== undefined],
        ["a wait for health", services, ({ wait, waitTimeout }) => wait === true && Number(waitTimeout) > 0],
        ["a restart policy", services, ({ restart }) => restart === "unless-stopped"],
        [
            "grace",
            services,
            ({ destroyGraceSeconds, stopTimeout }) =>
                Number(destroyGraceSeconds) > 0 && stopTimeout === destroyGraceSeconds,
        ],
        [
            "no network",
            seeds,
            ({ networkMode, networksAdvanced }) => networkMode === "none" && networksAdvanced === undefined,
        ],
        ["no start", seeds, ({ start }) => start === false],
        [
            "bounded logs",
            [...services, ...jobs, ...seeds],
            ({ logOpts }) => JSON.stringify(logOpts) === '{"max-file":"3","max-size":"10m"}',
        ],
        [
            "no executable temporary file",
            [...services, ...jobs],
            ({ tmpfs }) =>
                Object.values(tmpfs as object).every((options) =>
                    String(options).startsWith("rw,noexec,nosuid,nodev,"),
                ),
        ],
    ])("%s", (_rule, names, holds) => {
        expect(
            named(made, names)
                .filter(({ inputs }) => !holds(inputs))
                .map(({ name }) => name),
        ).toEqual([]);
    });

    it("none is privileged, none shares the host's namespaces or devices", () => {
        for (const { name, inputs } of containersOf(made)) {
            const taken = ["privileged", "pidMode", "ipcMode", "usernsMode", "devices", "gpus", "hosts"].filter(
                (key) => key in inputs,
            );
            expect([name, taken]).toEqual([name, []]);
        }
    });

    it("each is replaced when it never became healthy, and with whatever the provider would silently not change", () => {
        for (const { name, options } of containersOf(made)) {
            expect([name, options.replaceOnChanges]).toEqual([name, ["healthcheck", "tmpfs", "init", "#initerror"]]);
        }
    });
});

describe("credentials", () => {
    /** Every value that must not be seen, each unlike any other text of the program: those that a store elsewhere has, too. */
    const plantedElsewhere = {
        minioAccessKey: "plantedAccessKey",
        minioSecretAccessKey: "planted:secret\\access=key",
        pgOwnerPassword: "planted@owner:password",
        pgPassword: "planted#server?password",
        pgAuthPassword: "planted:auth\\password",
        adminPassword: "planted 'admin' \"password\"",
    };
    const planted = {
        minioRootUser: "plantedRootUser",
        minioRootPassword: "planted root/password+%",
        ...plantedElsewhere,
    };
    const generated = [
        "minio-root-user",
        "minio-root-password",
        "minio-access-key",
        "minio-secret-access-key",
        "pg-owner-password",
        "pg-password",
        "pg-auth-password",
        "admin-password",
        "mlflow-kek-passphrase",
        "mlflow-flask-secret-key",
    ].map((name) => `generated ${name}`);
    const alwaysGenerated = ["generated mlflow-kek-passphrase", "generated mlflow-flask-secret-key"];

    /** The forms in which a value could stand in another text. */
    const forms = (value: string) => [
        value,
        encodeURIComponent(value),
        value.replace(/[\\:]/g, "\\$&"),
        Buffer.from(value).toString("base64"),
    ];
    const found = (texts: readonly string[], values: readonly string[]) =>
        values.filter((value) => texts.some((text) => forms(value).some((form) => text.includes(form))));

    let configured: Recording<Program>;
    let byDefault: Recording<Program>;
    let elsewhere: Recording<Program>;
    let internal: Recording<Program>;
    let withKey: Recording<Program>;
    let serving: Recording<Program>;
    const plantedKey = "planted key, of more than 32 characters";
    const plantedServing = {
        ...plantedElsewhere,
        monitorPassword: "planted monitor's password",
        packageIndexUrl: "https://ana:planted-index@pypi.example.com/simple",
    };
    beforeAll(async () => {
        serving = await platform({ ...withModels, ...withGateway, ...plantedServing, modelServerKey: plantedKey });
        configured = await platform(planted);
        byDefault = await platform();
        elsewhere = await platform({ ...externalBoth, pgAuthUser: "people", ...plantedElsewhere });
        internal = await platform({ ...withGateway, ...withStoreTls });
        withKey = await platform(withCertificate);
    });
    const cases = () =>
        [
            [configured, [...Object.values(planted), ...alwaysGenerated]],
            [byDefault, generated],
            [elsewhere, [...Object.values(plantedElsewhere), ...alwaysGenerated]],
            [internal, [...generated, keptAuthority.privateKey, "private key of minio-certificate"]],
            [withKey, [...generated, given.privateKey]],
            [
                serving,
                [...Object.values(plantedServing), ...Object.values(derivedFrom(plantedKey)), ...alwaysGenerated],
            ],
        ] as const;
    const seedsOf = (made: Recording<Program>) => containersOf(made).filter(({ name }) => name.endsWith("-seed"));

    it("all reach the containers as files: the search below does find them where they are", () => {
        for (const [made, values] of cases()) {
            const uploads = seedsOf(made).flatMap(({ inputs }) => textsInSight(revealed(inputs.uploads)));
            expect(found(uploads, values)).toEqual(values);
        }
    });

    it("are in no input in plain text", () => {
        for (const [made, values] of cases()) {
            for (const { key, inputs } of made.registrations) {
                expect([key, found(textsInSight(inputs), values)]).toEqual([key, []]);
            }
        }
    });

    it("are in a seed's files only: in no environment, argument, label, health check or image, secret or not", () => {
        for (const [made, values] of cases()) {
            for (const { key, inputs } of made.registrations) {
                const others = Object.entries(inputs).filter(([name]) => name !== "uploads");
                expect([key, found(textsInSight(revealed(others)), values)]).toEqual([key, []]);
            }
        }
    });

    it("are in no option of a resource", () => {
        for (const [made, values] of cases()) {
            for (const { key, options } of made.registrations) {
                expect([key, found(textsInSight(revealed(options)), values)]).toEqual([key, []]);
            }
        }
    });

    it("private keys are in sight nowhere, neither those that are kept nor those that are made each time", () => {
        for (const [made] of cases()) {
            for (const { key, inputs } of made.registrations) {
                expect([key, textsInSight(inputs).filter((text) => text.includes("PRIVATE KEY"))]).toEqual([key, []]);
            }
        }
    });

    /** Seed → those of all the values that it carries. */
    const whoGetsWhat = (made: Recording<Program>, values = [...Object.values(planted), ...generated]) =>
        Object.fromEntries(
            seedsOf(made).map(({ name, inputs }) => [name, found(textsInSight(revealed(inputs.uploads)), values)]),
        );

    it("private keys go to those alone who serve with them", () => {
        const keysOf = (made: Recording<Program>, ...values: string[]) =>
            Object.fromEntries(Object.entries(whoGetsWhat(made, values)).filter(([, some]) => some.length > 0));
        expect(keysOf(internal, keptAuthority.privateKey, "private key of minio-certificate")).toEqual({
            "gateway-secrets-seed": [keptAuthority.privateKey],
            "minio-secrets-seed": ["private key of minio-certificate"],
        });
        expect(keysOf(withKey, keptAuthority.privateKey, given.privateKey)).toEqual({
            "gateway-secrets-seed": [given.privateKey],
        });
        expect(keysOf(byDefault, keptAuthority.privateKey)).toEqual({});
    });

    it("of served models go to those alone who need them, and the key that they are derived from to nobody", async () => {
        const { irisPassword, irisToken, winePassword, wineToken } = derivedFrom(plantedKey);
        const { monitorPassword, packageIndexUrl } = plantedServing;
        const values = [irisPassword, irisToken, winePassword, wineToken, monitorPassword, packageIndexUrl];
        const getsSome = (made: Recording<Program>) =>
            Object.fromEntries(
                Object.entries(whoGetsWhat(made, [...values, plantedKey])).filter(([, some]) => some.length > 0),
            );
        expect(getsSome(serving)).toEqual({
            "mlflow-migrate-secrets-seed": [irisPassword, winePassword],
            "model-iris-secrets-seed": [irisPassword, packageIndexUrl],
            "model-wine-secrets-seed": [winePassword, packageIndexUrl],
            "model-iris-monitor-secrets-seed": [monitorPassword],
            "gateway-secrets-seed": [irisToken, wineToken],
        });
        for (const { key, inputs } of serving.registrations) {
            expect([key, found(textsInSight(revealed(inputs)), [plantedKey])]).toEqual([key, []]);
        }
        const open = await platform({ ...withModels, ...plantedServing, ...withoutLogin, modelServerKey: plantedKey });
        expect(getsSome(open)).toEqual({
            "model-iris-secrets-seed": [packageIndexUrl],
            "model-wine-secrets-seed": [packageIndexUrl],
        });
    });

    it("of the login go to nobody where there is none", async () => {
        const open = await platform({ ...planted, ...withoutLogin });
        const login = [planted.adminPassword, planted.pgAuthPassword, "generated mlflow-flask-secret-key"];
        const some = Object.entries(whoGetsWhat(open, login)).filter(([, values]) => values.length > 0);
        // The role is there all the same.
        expect(some).toEqual([["postgres-secrets-seed", [planted.pgAuthPassword]]]);
    });

    it("go to those alone who need them, also where database and store are elsewhere", () => {
        expect(whoGetsWhat(elsewhere)).toEqual({
            // It gives the server's roles their rights and tries their logins, and makes the administrator.
            "mlflow-migrate-secrets-seed": [
                planted.pgOwnerPassword,
                planted.pgPassword,
                planted.pgAuthPassword,
                planted.adminPassword,
            ],
            "s3-bucket-secrets-seed": [planted.minioAccessKey, planted.minioSecretAccessKey],
            "mlflow-secrets-seed": [
                planted.minioAccessKey,
                planted.minioSecretAccessKey,
                planted.pgPassword,
                planted.pgAuthPassword,
                ...alwaysGenerated,
            ],
        });
    });

    it("go to those alone who need them", () => {
        expect(whoGetsWhat(configured)).toEqual({
            "postgres-secrets-seed": [planted.pgOwnerPassword, planted.pgPassword, planted.pgAuthPassword],
            "minio-secrets-seed": [planted.minioRootUser, planted.minioRootPassword],
            "minio-provision-secrets-seed": [
                planted.minioRootUser,
                planted.minioRootPassword,
                planted.minioAccessKey,
                planted.minioSecretAccessKey,
            ],
            "mlflow-migrate-secrets-seed": [planted.pgOwnerPassword, planted.adminPassword],
            "mlflow-secrets-seed": [
                planted.minioAccessKey,
                planted.minioSecretAccessKey,
                planted.pgPassword,
                planted.pgAuthPassword,
                ...alwaysGenerated,
            ],
        });
    });

    it("a value in configuration wins, and the generated one stays declared", () => {
        expect(tree(configured)).toEqual(everything);
        expect(
            found(
                named(configured, seeds).flatMap(({ inputs }) => textsInSight(revealed(inputs.uploads))),
                generated,
            ),
        ).toEqual(alwaysGenerated);
    });
});

describe("outputs", () => {
    const outputsOf = async ({ result }: Recording<Program>) => {
        const named = Object.entries(result as unknown as Record<string, unknown>);
        const settled = await Promise.all(
            named.map(async ([name, output]) => {
                const whole = pulumi.output(output) as pulumi.Output<unknown>;
                return [name, { value: await valueOf(whole), secret: await pulumi.isSecret(whole) }] as const;
            }),
        );
        return Object.fromEntries(settled);
    };
    const plain = (value: unknown) => ({ value, secret: false });
    const hidden = (value: unknown) => ({ value, secret: true });
    /** An output that a configuration does not have. */
    const absent = undefined;
    const placesHere = {
        pgHost: "",
        pgDatabase: "mlflow",
        minioHost: "",
        minioVolumePath: "",
        minioVolumeName: "",
        mlflowBucketName: "mlflow",
    };
    /** What is different of a store that somebody else runs: nothing is known of a root user or a console. */
    const storeOutputs = {
        minioEndpoint: plain("https://s3.example.com:443"),
        minioConsoleUrl: absent,
        minioRootUser: absent,
        minioRootPassword: absent,
        jobs: plain({
            "s3-bucket": { exitCode: 0, attempt: 1 },
            "mlflow-migrate": { exitCode: 0, attempt: 1 },
        }),
        dataPlaces: plain({ ...placesHere, minioHost: "s3.example.com" }),
    };

    const gatewayOutputs = {
        trackingUri: plain("https://mlflow.example.com:5000"),
        minioEndpoint: plain("https://mlflow.example.com:9000"),
        minioConsoleUrl: plain("https://mlflow.example.com:9001"),
        clientEnv: hidden({ MLFLOW_TRACKING_URI: "https://mlflow.example.com:5000" }),
        modelServerTokens: plain({}),
    };
    const { irisToken, wineToken } = derivedFrom();
    const modelOutputs = {
        modelServerUrls: plain({ iris: "http://127.0.0.1:5100", wine: "http://127.0.0.1:5101" }),
        modelImage: plain(buildTag("model", builds.model).tag),
    };
    /** What clients need where the stack's own authority signed what they talk to. */
    const ownAuthority = {
        MLFLOW_TRACKING_URI: "https://mlflow.example.com:5000",
        MLFLOW_PLATFORM_CA: keptAuthority.certificate,
        MLFLOW_TRACKING_SERVER_CERT_PATH: "mlflow-platform-ca.pem",
    };

    let byDefault: Awaited<ReturnType<typeof outputsOf>>;
    beforeAll(async () => {
        byDefault = await outputsOf(await platform());
    });

    it("are these, and secret where they are", () => {
        expect(byDefault).toEqual({
            trackingUri: plain("http://127.0.0.1:5000"),
            minioEndpoint: plain("http://127.0.0.1:9000"),
            minioConsoleUrl: plain("http://127.0.0.1:9001"),
            adminUsername: plain("admin"),
            adminPassword: hidden("generated admin-password"),
            bucketName: plain("mlflow"),
            pgUri: hidden("postgresql://mlflow:generated%20pg-password@postgres:5432/mlflow"),
            minioRootUser: hidden("generated minio-root-user"),
            minioRootPassword: hidden("generated minio-root-password"),
            clientEnv: hidden({ MLFLOW_TRACKING_URI: "http://127.0.0.1:5000" }),
            modelServerUrls: plain({}),
            jobs: plain({
                "minio-provision": { exitCode: 0, attempt: 1 },
                "mlflow-migrate": { exitCode: 0, attempt: 1 },
            }),
            dataPlaces: plain(placesHere),
        });
    });

    it.each<[string, Record<string, string>, object]>([
        [
            "a PostgreSQL that somebody else runs",
            externalDatabase,
            {
                pgUri: hidden("postgresql://mlflow:hunter2@db.example.com:6432/mlflow?sslmode=verify-full"),
                dataPlaces: plain({ ...placesHere, pgHost: "db.example.com" }),
            },
        ],
        [
            "one whose connections are encrypted if it likes",
            { ...externalDatabase, pgSslMode: "prefer" },
            {
                pgUri: hidden("postgresql://mlflow:hunter2@db.example.com:6432/mlflow?sslmode=prefer"),
                dataPlaces: plain({ ...placesHere, pgHost: "db.example.com" }),
            },
        ],
        ["an S3 store that somebody else runs", externalStore, storeOutputs],
        [
            "one without TLS",
            { ...externalStore, minioStorageUseHttps: "false", minioPort: "9000" },
            { ...storeOutputs, minioEndpoint: plain("http://s3.example.com:9000") },
        ],
        [
            "both",
            { ...externalBoth, pgDatabase: "tracking", mlflowBucketName: "artifacts" },
            {
                ...storeOutputs,
                bucketName: plain("artifacts"),
                pgUri: hidden("postgresql://mlflow:hunter2@db.example.com:6432/tracking?sslmode=verify-full"),
                dataPlaces: plain({
                    ...placesHere,
                    pgHost: "db.example.com",
                    pgDatabase: "tracking",
                    minioHost: "s3.example.com",
                    mlflowBucketName: "artifacts",
                }),
            },
        ],
        ["no login", withoutLogin, { adminUsername: absent, adminPassword: absent }],
        [
            "an administrator by name and password",
            { adminUsername: "Ana", adminPassword: "long enough for all" },
            { adminUsername: plain("Ana"), adminPassword: hidden("long enough for all") },
        ],
        ["presigned artifacts", { artifactTransfer: "presigned" }, {}],
        [
            "TLS to MinIO",
            withStoreTls,
            {
                minioEndpoint: plain("https://127.0.0.1:9000"),
                minioConsoleUrl: plain("https://127.0.0.1:9001"),
                caCertificate: plain(keptAuthority.certificate),
                clientEnv: hidden({
                    MLFLOW_TRACKING_URI: "http://127.0.0.1:5000",
                    MLFLOW_PLATFORM_CA: keptAuthority.certificate,
                }),
            },
        ],
        [
            "TLS to MinIO and presigned artifacts",
            { ...withStoreTls, artifactTransfer: "presigned" },
            {
                minioEndpoint: plain("https://127.0.0.1:9000"),
                minioConsoleUrl: plain("https://127.0.0.1:9001"),
                caCertificate: plain(keptAuthority.certificate),
                clientEnv: hidden({
                    MLFLOW_TRACKING_URI: "http://127.0.0.1:5000",
                    MLFLOW_PLATFORM_CA: keptAuthority.certificate,
                    REQUESTS_CA_BUNDLE: "mlflow-platform-ca.pem",
                }),
            },
        ],
        [
            "a gateway",
            withGateway,
            { ...gatewayOutputs, caCertificate: plain(keptAuthority.certificate), clientEnv: hidden(ownAuthority) },
        ],
        [
            "a gateway, TLS behind it and presigned artifacts",
            { ...withGateway, ...withStoreTls, artifactTransfer: "presigned" },
            {
                ...gatewayOutputs,
                caCertificate: plain(keptAuthority.certificate),
                clientEnv: hidden({ ...ownAuthority, REQUESTS_CA_BUNDLE: "mlflow-platform-ca.pem" }),
            },
        ],
        ["a certificate that is given", withCertificate, gatewayOutputs],
        ["the same with TLS behind it, which no client sees", { ...withCertificate, ...withStoreTls }, gatewayOutputs],
        [
            "ACME, and MLflow on the port of https",
            withAcme,
            {
                ...gatewayOutputs,
                trackingUri: plain("https://mlflow.example.com"),
                clientEnv: hidden({ MLFLOW_TRACKING_URI: "https://mlflow.example.com" }),
            },
        ],
        [
            "a gateway and a store elsewhere",
            { ...externalStore, ...withGateway },
            {
                ...gatewayOutputs,
                ...storeOutputs,
                caCertificate: plain(keptAuthority.certificate),
                clientEnv: hidden(ownAuthority),
            },
        ],
        [
            "a store elsewhere whose authority is given, which clients do not meet",
            { ...externalStore, minioCaFile: "authority.pem" },
            storeOutputs,
        ],
        [
            "the same and presigned artifacts",
            { ...externalStore, minioCaFile: "authority.pem", artifactTransfer: "presigned" },
            {
                ...storeOutputs,
                clientEnv: hidden({
                    MLFLOW_TRACKING_URI: "http://127.0.0.1:5000",
                    MLFLOW_PLATFORM_CA: authorities.one,
                    REQUESTS_CA_BUNDLE: "mlflow-platform-ca.pem",
                }),
            },
        ],
        [
            "the same behind a gateway",
            { ...externalStore, ...withGateway, minioCaFile: "authority.pem", artifactTransfer: "presigned" },
            {
                ...gatewayOutputs,
                ...storeOutputs,
                caCertificate: plain(keptAuthority.certificate),
                clientEnv: hidden({
                    ...ownAuthority,
                    MLFLOW_PLATFORM_CA: keptAuthority.certificate + authorities.one,
                    REQUESTS_CA_BUNDLE: "mlflow-platform-ca.pem",
                }),
            },
        ],
        ["served models", withModels, modelOutputs],
        [
            "served models without login",
            { ...withModels, ...withoutLogin },
            { ...modelOutputs, adminUsername: absent, adminPassword: absent },
        ],
        [
            "served models behind a gateway",
            { ...withModels, ...withGateway },
            {
                ...gatewayOutputs,
                ...modelOutputs,
                caCertificate: plain(keptAuthority.certificate),
                clientEnv: hidden(ownAuthority),
                modelServerUrls: plain({
                    iris: "https://mlflow.example.com:5100",
                    wine: "https://mlflow.example.com:5101",
                }),
                modelServerTokens: hidden({ iris: irisToken, wine: wineToken }),
            },
        ],
        [
            "another image for models",
            { ...withModels, modelImage: "registry.example.com/model:1" },
            { ...modelOutputs, modelImage: plain("registry.example.com/model:1") },
        ],
        ["another image for models that are not served", { modelImage: "registry.example.com/model:1" }, {}],
        ["an empty list of served models", { modelServers: "[]" }, {}],
        [
            "a directory for MinIO's data",
            { minioVolumePath: "/srv/minio" },
            { dataPlaces: plain({ ...placesHere, minioVolumePath: "/srv/minio" }) },
        ],
        [
            "a volume by name for MinIO's data",
            { minioVolumeName: "old_data" },
            { dataPlaces: plain({ ...placesHere, minioVolumeName: "old_data" }) },
        ],
    ])("are, with %s, the same but for this", async (_words, configuration, different) => {
        expect(await outputsOf(await platform(configuration))).toEqual({ ...byDefault, ...different });
    });

    it("follow the configuration", async () => {
        const outputs = await outputsOf(
            await platform({
                bindAddress: "127.0.0.2",
                mlflowPort: "5001",
                minioPort: "9010",
                minioConsoleAddress: ":9011",
                mlflowBucketName: "artifacts",
                pgUser: "ana",
                pgPassword: "p/w",
                pgPort: "5433",
                pgDatabase: "tracking",
                minioRootUser: "admin",
                minioRootPassword: "long enough",
            }),
        );
        expect(outputs).toMatchObject({
            trackingUri: plain("http://127.0.0.2:5001"),
            minioEndpoint: plain("http://127.0.0.2:9010"),
            minioConsoleUrl: plain("http://127.0.0.2:9011"),
            bucketName: plain("artifacts"),
            pgUri: hidden("postgresql://ana:p%2Fw@postgres:5433/tracking"),
            minioRootUser: hidden("admin"),
            minioRootPassword: hidden("long enough"),
            clientEnv: hidden({ MLFLOW_TRACKING_URI: "http://127.0.0.2:5001" }),
        });
    });

    it("have no address where the gateway did not start, and the rest all the same", async () => {
        const { result } = await withFailures(async () =>
            outputsOf(await platform(withGateway, { impossible: ["docker:Container gateway"] })),
        );
        for (const name of ["trackingUri", "minioEndpoint", "minioConsoleUrl", "clientEnv"]) {
            expect([name, result[name]?.value]).toEqual([name, undefined]);
        }
        expect(result).toMatchObject({
            caCertificate: plain(keptAuthority.certificate),
            adminPassword: hidden("generated admin-password"),
            bucketName: plain("mlflow"),
            minioRootPassword: hidden("generated minio-root-password"),
            dataPlaces: plain(placesHere),
        });
    });

    it("never give the administrator's credentials to clients", async () => {
        const { clientEnv } = await outputsOf(
            await platform({ ...withGateway, adminUsername: "chief", adminPassword: "planted password" }),
        );
        expect(JSON.stringify(clientEnv)).not.toMatch(/chief|planted|USERNAME|PASSWORD/);
    });

    describe("after a job failed", () => {
        const failingJob = (
            name: string,
            configuration: Record<string, string> = {},
            lastOutputs: Record<string, unknown> = {},
        ) =>
            withFailures(async () => {
                const made = await platform(configuration, {
                    lastOutputs,
                    outputs: { [`docker:Container ${name}`]: { exitCode: 7, containerLogs: "no luck" } },
                });
                return { made, outputs: await outputsOf(made) };
            });

        const directory = { minioVolumePath: "/srv/minio" };
        const atDatabase = { pgHost: "db.example.com" };
        const atStore = { minioHost: "s3.example.com" };

        it.each<[string, string, Record<string, string>, object, readonly (keyof typeof placesHere)[]]>([
            ["the provisioning of MinIO", "minio-provision", {}, {}, ["mlflowBucketName"]],
            ["the same with a directory", "minio-provision", directory, directory, ["mlflowBucketName"]],
            ["the migration of the PostgreSQL that runs here", "mlflow-migrate", {}, {}, ["pgDatabase"]],
            [
                "the migration of another PostgreSQL",
                "mlflow-migrate",
                externalDatabase,
                atDatabase,
                ["pgHost", "pgDatabase"],
            ],
            [
                "the job of another store",
                "s3-bucket",
                externalStore,
                atStore,
                ["minioHost", "minioVolumePath", "minioVolumeName", "mlflowBucketName"],
            ],
        ])(
            "record the places that the update got to, and keep the last record of the others: %s",
            async (_words, name, configuration, places, unreached) => {
                const now = { ...placesHere, ...places };
                const reached = Object.fromEntries(
                    Object.entries(now).filter(([key]) => !(unreached as readonly string[]).includes(key)),
                );
                const first = await failingJob(name, configuration);
                expect(first.result.outputs.dataPlaces).toEqual(plain(reached));
                const second = await failingJob(name, configuration, { dataPlaces: now });
                expect(second.result.outputs.dataPlaces).toEqual(plain(now));
            },
        );

        it.each<[string, string, readonly string[]]>([
            ["PostgreSQL cannot be made: its volume is there", "docker:Container postgres", ["pgDatabase"]],
            ["its volume cannot be made", "docker:Volume postgres_data", ["pgHost", "pgDatabase"]],
        ])("keep the last record of a job that the update did not get to, where %s", async (_words, key, unreached) => {
            const jobs = { "mlflow-migrate": { exitCode: 0, attempt: 4 } };
            const outputsWith = async (lastOutputs: Record<string, unknown>) =>
                (await withFailures(async () => outputsOf(await platform({}, { lastOutputs, impossible: [key] }))))
                    .result;
            const outputs = await outputsWith({ jobs, dataPlaces: placesHere });
            expect(outputs.jobs).toEqual(plain({ ...jobs, "minio-provision": { exitCode: 0, attempt: 1 } }));
            expect(outputs.dataPlaces).toEqual(plain(placesHere));
            const first = await outputsWith({});
            expect(first.jobs).toEqual(plain({ "minio-provision": { exitCode: 0, attempt: 1 } }));
            expect(first.dataPlaces).toEqual(
                plain(Object.fromEntries(Object.entries(placesHere).filter(([name]) => !unreached.includes(name)))),
            );
            expect(outputs.pgUri?.value).toBeUndefined();
            expect(outputs.trackingUri?.value).toBeUndefined();
        });

        it.each<[string, Record<string, string>, readonly string[]]>([
            ["its volume, which was there before", {}, ["mlflowBucketName"]],
            [
                "a directory, in which nothing has started yet",
                directory,
                ["minioHost", "minioVolumePath", "minioVolumeName", "mlflowBucketName"],
            ],
        ])("take for a place with data, where MinIO cannot be made, %s", async (_words, configuration, unreached) => {
            const { result } = await withFailures(async () =>
                outputsOf(await platform(configuration, { impossible: ["docker:Container minio"] })),
            );
            expect(result.dataPlaces).toEqual(
                plain(Object.fromEntries(Object.entries(placesHere).filter(([name]) => !unreached.includes(name)))),
            );
            expect(result.minioEndpoint?.value).toBeUndefined();
            expect(result.minioConsoleUrl?.value).toBeUndefined();
        });

        it("are recorded all the same, but for those that depend on it: the provisioning", async () => {
            const { result, failures } = await failingJob("minio-provision");
            expect(result.outputs).toMatchObject({
                minioEndpoint: plain("http://127.0.0.1:9000"),
                pgUri: hidden("postgresql://mlflow:generated%20pg-password@postgres:5432/mlflow"),
                minioRootPassword: hidden("generated minio-root-password"),
                jobs: plain({
                    "minio-provision": { exitCode: 7, attempt: 1 },
                    "mlflow-migrate": { exitCode: 0, attempt: 1 },
                }),
            });
            expect(result.outputs.bucketName?.value).toBeUndefined();
            expect(result.outputs.trackingUri?.value).toBeUndefined();
            expect(result.outputs.clientEnv?.value).toBeUndefined();
            expect(result.made.registrations.map(({ key }) => key)).not.toContain("docker:Container mlflow");
            expect(failures.length).toBeGreaterThan(0);
            for (const failure of failures) {
                expect(failure).toBeInstanceOf(JobError);
                expect((failure as Error).message).toBe(
                    "job minio-provision ended with exit code 7; it runs again with the next update. Its output:\nno luck",
                );
            }
        });

        it("are recorded all the same, but for those that depend on it: the migration", async () => {
            const { result, failures } = await failingJob("mlflow-migrate");
            expect(result.outputs).toMatchObject({
                bucketName: plain("mlflow"),
                jobs: plain({
                    "minio-provision": { exitCode: 0, attempt: 1 },
                    "mlflow-migrate": { exitCode: 7, attempt: 1 },
                }),
            });
            expect(result.outputs.trackingUri?.value).toBeUndefined();
            expect(result.made.registrations.map(({ key }) => key)).not.toContain("docker:Container mlflow");
            expect(new Set(failures.map((failure) => (failure as Error).message))).toEqual(
                new Set([
                    "job mlflow-migrate ended with exit code 7; it runs again with the next update. Its output:\nno luck",
                ]),
            );
        });

        it("make the next update run the failed job again, and only that", async () => {
            const { result } = await failingJob("minio-provision");
            const lastOutputs = { jobs: result.outputs.jobs?.value };
            const next = await platform({}, { lastOutputs });
            expect(
                Object.fromEntries(
                    jobs.map((name) => [name, next.get(`docker:Container ${name}`).options.replacementTrigger]),
                ),
            ).toEqual({
                "minio-provision": 2,
                "mlflow-migrate": 1,
            });
            // And then the same for ever.
            const after = await platform({}, { lastOutputs: { jobs: (await outputsOf(next)).jobs?.value } });
            expect(after.get("docker:Container minio-provision").options.replacementTrigger).toBe(2);
            expect(await outputsOf(after)).toEqual(await outputsOf(next));
        });
    });
});

describe("a configuration with problems", () => {
    /** What the program asked of the engine in its last run. */
    const registered = () => {
        const { getMonitor } = pulumi.runtime as unknown as {
            getMonitor: () => { getRegisteredResources: () => Map<string, unknown> };
        };
        return [...getMonitor().getRegisteredResources().keys()];
    };
    const ownOutputs =
        "urn:pulumi:test::mlflow-platform::pulumi:pulumi:StackReference::organization/mlflow-platform/test";

    it("registers nothing: the stack's last outputs are all that is read", async () => {
        const failure = await platform({ mlflowPort: "x", pgHost: "localhost" }).catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(UpdateError);
        expect((failure as Error).message.split("\n").map((line) => line.split(":")[0])).toEqual([
            'the configuration of stack "test" has 3 problems',
            "  mlflowPort",
            "  pgHost",
            "  pgPassword",
        ]);
        expect(registered()).toEqual([ownOutputs]);
    });

    it("is one that parts the stack from its data, which the last update has recorded: nothing is registered", async () => {
        const dataPlaces = {
            pgHost: "",
            pgDatabase: "mlflow",
            minioHost: "",
            minioVolumePath: "",
            minioVolumeName: "",
            mlflowBucketName: "mlflow",
        };
        const failure = await platform(
            { ...externalDatabase, mlflowBucketName: "new" },
            { lastOutputs: { dataPlaces } },
        ).catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(UpdateError);
        expect((failure as Error).message).toBe(
            `the configuration of stack "test" has 2 problems:
  pgHost: this stack's experiments are in the PostgreSQL that runs here and would stay there, out of its sight: pulumi config rm pgHost, or use another stack for other data (npm run delete-data -- test first, where nothing of it is needed)
  mlflowBucketName: this stack's artifacts are in bucket mlflow of the MinIO that runs here (the stack's own volume minio_data) and would stay there, out of its sight: pulumi config set mlflowBucketName mlflow, or use another stack for other data (npm run delete-data -- test first, where nothing of it is needed)`,
        );
        expect(registered()).toEqual([ownOutputs]);
    });

    it("is none where the data is where it was, whichever way that is", async () => {
        const configurations: Record<string, string>[] = [{}, externalBoth, { minioVolumePath: "/srv/minio" }];
        for (const configuration of configurations) {
            const { result } = await platform(configuration);
            const dataPlaces = await valueOf(pulumi.output(result.dataPlaces));
            const again = await platform(configuration, { lastOutputs: { dataPlaces } });
            expect(await valueOf(pulumi.output(again.result.dataPlaces))).toEqual(dataPlaces);
        }
    });
});

describe("a plan without an engine", () => {
    it.each<[string, Record<string, string>, string[]]>([
        ["with all that can run here", {}, everything],
        [
            "with database and store elsewhere",
            externalBoth,
            [...always, ...databaseElsewhere, ...storeElsewhere].sort(),
        ],
        [
            "with a gateway and TLS to MinIO",
            { ...withGateway, ...withStoreTls },
            [...everything, ...gatewayHere, ...storeCertificate].sort(),
        ],
        [
            "with a gateway and served models",
            { ...withGateway, ...withModels },
            [...everything, ...gatewayHere, ...modelsHere].sort(),
        ],
    ])("registers the same, %s, though no job has run yet", async (_words, configuration, expected) => {
        const notRun = { exitCode: undefined, containerLogs: undefined };
        const made = await platform(configuration, {
            preview: true,
            outputs: Object.fromEntries(
                ["minio-provision", "mlflow-migrate", "s3-bucket"].map((name) => [`docker:Container ${name}`, notRun]),
            ),
        });
        expect(tree(made)).toEqual(expected);
    });
});
