/** No key without an effect: each one, set to something else than its default, changes what is registered. */
import { mkdirSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { type Configuration, keys } from "../../config.ts";
import type { ServedModel } from "../../servedModels.ts";
import { authorities, givenCertificate } from "./support/certificates.ts";
import { inDirectoryOfItsOwn, platform } from "./support/platform.ts";
import { type Recording, revealed, withoutHash } from "./support/recording.ts";

inDirectoryOfItsOwn();

const given = await givenCertificate(["mlflow.example.com"]);
const renewed = await givenCertificate(["mlflow.example.com"]);
beforeAll(() => {
    writeFileSync("authority.pem", authorities.one);
    writeFileSync("given.pem", given.certificate);
    writeFileSync("chain.pem", given.certificate + authorities.one);
    writeFileSync("renewed.pem", renewed.certificate);
    for (const project of ["lifecycle", "drift"]) {
        mkdirSync(`${project}/python`, { recursive: true });
        writeFileSync(`${project}/python/MLproject`, `name: ${project}\n`);
    }
});

type Values = Readonly<Record<string, string>>;

/** What is needed beside a key, before and after: a database and a store that somebody else runs. */
const withPassword: Values = { pgPassword: "hunter2" };
const withDatabase: Values = { ...withPassword, pgHost: "db.example.com", pgSslMode: "verify-full" };
const withKey: Values = { minioAccessKey: "somebody", minioSecretAccessKey: "long enough" };
const withStore: Values = { ...withKey, minioHost: "s3.example.com" };
const withTls: Values = { ...withStore, minioStorageUseHttps: "true" };
/** And a gateway, with the stack's own authority, another's certificate, or ACME. */
const withGateway: Values = { publicHost: "mlflow.example.com" };
const withCertificate: Values = {
    ...withGateway,
    tlsCertificateFile: "given.pem",
    tlsPrivateKey: given.privateKey,
};
const withAcme: Values = { ...withGateway, tlsEmail: "it@example.com", mlflowPort: "443" };
const withDirectory: Values = { ...withAcme, tlsAcmeDirectory: "https://ca.example.com/acme" };

/** And a served model, or one with a monitor. */
const servingWith = (fields: object): Values => ({
    modelServers: JSON.stringify([{ name: "iris", port: 5100, ...fields }]),
});
const withModel = servingWith({});
const monitorSettings: Values = {
    monitorUsername: "watchman",
    monitorPassword: "hunter2",
    monitorProject: "lifecycle",
};
const monitored = { monitorSchedule: "0 * * * *" };
const withMonitor: Values = { ...servingWith(monitored), ...monitorSettings };
/** What the first served model brings, and every one shares. */
const modelImageHere = ["docker:RemoteImage model", "mlflow-platform:Image model"];
/** What a served model is made of, beside what knows of it. */
const modelServerHere = [
    "docker:Container model-iris",
    "docker:Container model-iris-secrets-seed",
    "docker:Network model-iris",
    "docker:Volume model-iris-records",
    "docker:Volume model-iris-secrets",
    "docker:Volume model-iris-state",
    "mlflow-platform:ModelServer model-iris",
    "mlflow-platform:Network model-iris",
    "mlflow-platform:SecretFiles model-iris-secrets",
    "mlflow-platform:Volume model-iris-records",
    "mlflow-platform:Volume model-iris-state",
];

/** Key → a value that is not its default, and the resources that it must reach (and no other). */
const table: Record<
    keyof Configuration,
    /** `along` is set with the key, because the two go together. */
    { value: string; reaches: string[]; beside?: Values; along?: Values } | "refused in this version" | "lets others be"
> = {
    mlflowPort: { value: "5001", reaches: ["docker:Container mlflow"] },
    minioAccessKey: {
        value: "somebody",
        reaches: ["docker:Container minio-provision-secrets-seed", "docker:Container mlflow-secrets-seed"],
    },
    minioSecretAccessKey: {
        value: "long enough",
        reaches: ["docker:Container minio-provision-secrets-seed", "docker:Container mlflow-secrets-seed"],
    },
    minioHost: {
        value: "s3.example.com",
        beside: withKey,
        reaches: [
            "docker:Container minio",
            "docker:Container minio-provision",
            "docker:Container minio-provision-secrets-seed",
            "docker:Container minio-secrets-seed",
            "docker:Container mlflow",
            "docker:Container s3-bucket",
            "docker:Container s3-bucket-secrets-seed",
            "docker:RemoteImage minio",
            "docker:Volume minio-provision-secrets",
            "docker:Volume minio-secrets",
            "docker:Volume minio_data",
            "docker:Volume s3-bucket-secrets",
            "mlflow-platform:ExternalS3 s3",
            "mlflow-platform:Image minio",
            "mlflow-platform:Job minio-provision",
            "mlflow-platform:Job s3-bucket",
            "mlflow-platform:Minio minio",
            "mlflow-platform:SecretFiles minio-provision-secrets",
            "mlflow-platform:SecretFiles minio-secrets",
            "mlflow-platform:SecretFiles s3-bucket-secrets",
            "mlflow-platform:Volume minio_data",
        ],
    },
    minioPort: { value: "9010", reaches: ["docker:Container minio"] },
    pgUser: {
        value: "ana",
        reaches: ["docker:Container mlflow", "docker:Container mlflow-secrets-seed", "docker:Container postgres"],
    },
    pgPassword: {
        value: "hunter2",
        reaches: ["docker:Container mlflow-secrets-seed", "docker:Container postgres-secrets-seed"],
    },
    pgHost: {
        value: "db.example.com",
        beside: withPassword,
        reaches: [
            "docker:Container mlflow",
            "docker:Container mlflow-migrate",
            "docker:Container mlflow-migrate-secrets-seed",
            "docker:Container mlflow-secrets-seed",
            "docker:Container postgres",
            "docker:Container postgres-secrets-seed",
            "docker:RemoteImage postgres",
            "docker:Volume postgres-secrets",
            "docker:Volume postgres_data",
            "mlflow-platform:ExternalPostgres postgres",
            "mlflow-platform:Image postgres",
            "mlflow-platform:Postgres postgres",
            "mlflow-platform:SecretFiles postgres-secrets",
            "mlflow-platform:Volume postgres_data",
        ],
    },
    pgPort: {
        value: "5433",
        reaches: [
            "docker:Container mlflow",
            "docker:Container mlflow-migrate",
            "docker:Container mlflow-migrate-secrets-seed",
            "docker:Container mlflow-secrets-seed",
            "docker:Container postgres",
        ],
    },
    pgDatabase: {
        value: "tracking",
        reaches: [
            "docker:Container mlflow",
            "docker:Container mlflow-migrate",
            "docker:Container mlflow-migrate-secrets-seed",
            "docker:Container mlflow-secrets-seed",
            "docker:Container postgres",
        ],
    },
    mlflowBucketName: {
        value: "artifacts",
        reaches: ["docker:Container minio-provision", "docker:Container mlflow"],
    },
    minioVolumePath: {
        value: "/srv/minio",
        // The volume is not made.
        reaches: ["docker:Container minio", "docker:Volume minio_data", "mlflow-platform:Volume minio_data"],
    },
    minioConsoleAddress: { value: ":9011", reaches: ["docker:Container minio"] },
    minioRootUser: {
        value: "admin",
        reaches: ["docker:Container minio-provision-secrets-seed", "docker:Container minio-secrets-seed"],
    },
    minioRootPassword: {
        value: "long enough",
        reaches: ["docker:Container minio-provision-secrets-seed", "docker:Container minio-secrets-seed"],
    },
    minioStorageUseHttps: {
        value: "true",
        reaches: [
            "docker:Container minio-provision",
            "docker:Container minio-provision-secrets-seed",
            "docker:Container minio-secrets-seed",
            "docker:Container mlflow",
            "docker:Container mlflow-secrets-seed",
            "docker:Volume minio-provision-secrets",
            "docker:Volume minio-secrets",
            "docker:Volume mlflow-secrets",
            "mlflow-platform:ServerCertificate minio-certificate",
            "random:RandomId minio-certificate",
        ],
    },
    bindAddress: { value: "127.0.0.2", reaches: ["docker:Container minio", "docker:Container mlflow"] },
    allowInsecureExposure: "lets others be",
    mlflowAuth: {
        value: "false",
        // The generated values stay, and the files go.
        reaches: [
            "docker:Container mlflow",
            "docker:Container mlflow-migrate",
            "docker:Container mlflow-migrate-secrets-seed",
            "docker:Container mlflow-secrets-seed",
            "docker:Volume mlflow-migrate-secrets",
            "docker:Volume mlflow-secrets",
        ],
    },
    adminUsername: { value: "ana", reaches: ["docker:Container mlflow", "docker:Container mlflow-migrate"] },
    adminPassword: { value: "long enough for all", reaches: ["docker:Container mlflow-migrate-secrets-seed"] },
    defaultPermission: { value: "READ", reaches: ["docker:Container mlflow"] },
    publicHost: {
        value: "mlflow.example.com",
        reaches: [
            "docker:Container gateway",
            "docker:Container gateway-secrets-seed",
            "docker:Container minio",
            "docker:Container mlflow",
            "docker:RemoteImage gateway",
            "docker:Volume gateway-secrets",
            "mlflow-platform:Gateway gateway",
            "mlflow-platform:Image gateway",
            "mlflow-platform:SecretFiles gateway-secrets",
        ],
    },
    tlsCertificateFile: {
        value: "chain.pem",
        beside: withCertificate,
        reaches: ["docker:Container gateway-secrets-seed"],
    },
    tlsPrivateKey: {
        value: renewed.privateKey,
        beside: withCertificate,
        along: { tlsCertificateFile: "renewed.pem" },
        reaches: ["docker:Container gateway-secrets-seed"],
    },
    tlsEmail: {
        value: "it@example.com",
        beside: { ...withGateway, mlflowPort: "443" },
        // The authority's files are gone.
        reaches: ["docker:Container gateway-secrets-seed", "docker:Volume gateway-secrets"],
    },
    tlsAcmeDirectory: {
        value: "https://ca.example.com/acme",
        beside: withAcme,
        reaches: ["docker:Container gateway-secrets-seed"],
    },
    tlsAcmeCaFile: {
        value: "authority.pem",
        beside: withDirectory,
        reaches: ["docker:Container gateway-secrets-seed", "docker:Volume gateway-secrets"],
    },
    gatewayHttpPort: {
        value: "80",
        beside: withGateway,
        reaches: ["docker:Container gateway", "docker:Container gateway-secrets-seed"],
    },
    artifactTransfer: { value: "presigned", reaches: ["docker:Container mlflow"] },
    artifactTempSize: { value: "64", reaches: ["docker:Container mlflow"] },
    pgOwnerUser: {
        value: "chief",
        reaches: [
            "docker:Container mlflow-migrate",
            "docker:Container mlflow-migrate-secrets-seed",
            "docker:Container postgres",
        ],
    },
    pgOwnerPassword: {
        value: "hunter3",
        reaches: ["docker:Container mlflow-migrate-secrets-seed", "docker:Container postgres-secrets-seed"],
    },
    pgAuthUser: {
        value: "people",
        reaches: [
            "docker:Container mlflow",
            "docker:Container mlflow-migrate",
            "docker:Container mlflow-secrets-seed",
            "docker:Container postgres",
        ],
    },
    pgAuthPassword: {
        value: "hunter4",
        reaches: ["docker:Container mlflow-secrets-seed", "docker:Container postgres-secrets-seed"],
    },
    pgSslMode: {
        value: "require",
        beside: { ...withPassword, pgHost: "db.example.com" },
        reaches: ["docker:Container mlflow", "docker:Container mlflow-migrate"],
    },
    pgCaFile: {
        value: "authority.pem",
        beside: withDatabase,
        // Another file in a volume is another volume.
        reaches: [
            "docker:Container mlflow",
            "docker:Container mlflow-migrate",
            "docker:Container mlflow-migrate-secrets-seed",
            "docker:Container mlflow-secrets-seed",
            "docker:Volume mlflow-migrate-secrets",
            "docker:Volume mlflow-secrets",
        ],
    },
    minioCaFile: {
        value: "authority.pem",
        beside: withTls,
        reaches: [
            "docker:Container mlflow",
            "docker:Container mlflow-secrets-seed",
            "docker:Container s3-bucket",
            "docker:Container s3-bucket-secrets-seed",
            "docker:Volume mlflow-secrets",
            "docker:Volume s3-bucket-secrets",
        ],
    },
    minioRegion: {
        value: "eu-central-1",
        reaches: ["docker:Container minio", "docker:Container minio-provision", "docker:Container mlflow"],
    },
    egress: "refused in this version",
    minioVolumeName: { value: "old_data", reaches: ["docker:Container minio", "docker:Volume minio_data"] },
    modelServers: {
        value: withModel.modelServers ?? "",
        reaches: [
            "docker:Container mlflow",
            "docker:Container mlflow-migrate",
            "docker:Container mlflow-migrate-secrets-seed",
            "docker:Volume mlflow-migrate-secrets",
            ...modelImageHere,
            ...modelServerHere,
        ].sort(),
    },
    modelServerKey: {
        value: "another key, of more than 32 characters",
        beside: withModel,
        reaches: ["docker:Container mlflow-migrate-secrets-seed", "docker:Container model-iris-secrets-seed"],
    },
    packageIndexUrl: {
        value: "https://pypi.example.com/simple",
        beside: withModel,
        // Without any setting there is no file.
        reaches: ["docker:Container model-iris-secrets-seed", "docker:Volume model-iris-secrets"],
    },
    packageCaFile: {
        value: "authority.pem",
        beside: withModel,
        reaches: ["docker:Container model-iris-secrets-seed", "docker:Volume model-iris-secrets"],
    },
    monitorUsername: {
        value: "guard",
        beside: withMonitor,
        reaches: ["docker:Container model-iris-monitor-secrets-seed"],
    },
    monitorPassword: {
        value: "hunter5",
        beside: withMonitor,
        reaches: ["docker:Container model-iris-monitor-secrets-seed"],
    },
    monitorProject: {
        value: "drift",
        beside: withMonitor,
        reaches: ["docker:Container model-iris-monitor-project-seed"],
    },
    mlflowImage: {
        value: "registry.example.com/mlflow:1",
        reaches: ["docker:Container mlflow", "docker:Container mlflow-migrate", "docker:RemoteImage mlflow"],
    },
    modelImage: {
        value: "registry.example.com/model:1",
        beside: withMonitor,
        reaches: ["docker:Container model-iris", "docker:Container model-iris-monitor", "docker:RemoteImage model"],
    },
    minioImage: {
        value: "registry.example.com/minio:1",
        reaches: ["docker:Container minio", "docker:Container minio-provision", "docker:RemoteImage minio"],
    },
    postgresImage: {
        value: "registry.example.com/postgres:1",
        reaches: ["docker:Container postgres", "docker:RemoteImage postgres"],
    },
    gatewayImage: {
        value: "registry.example.com/gateway:1",
        beside: withGateway,
        reaches: ["docker:Container gateway", "docker:RemoteImage gateway"],
    },
    baseImage: {
        value: "debian:13",
        reaches: [
            "docker:Container minio",
            "docker:Container minio-provision",
            "docker:Container mlflow",
            "docker:Container mlflow-migrate",
            "docker:Container postgres",
            "docker:RemoteImage minio",
            "docker:RemoteImage mlflow",
            "docker:RemoteImage postgres",
        ],
    },
    mlflowWorkers: { value: "3", reaches: ["docker:Container mlflow"] },
    mlflowMemory: { value: "1024", reaches: ["docker:Container mlflow"] },
    mlflowCpus: { value: "1.5", reaches: ["docker:Container mlflow"] },
    mlflowWaitSeconds: { value: "60", reaches: ["docker:Container mlflow"] },
    minioMemory: { value: "512", reaches: ["docker:Container minio"] },
    minioCpus: { value: "0.5", reaches: ["docker:Container minio"] },
    minioWaitSeconds: { value: "60", reaches: ["docker:Container minio"] },
    pgMemory: { value: "512", reaches: ["docker:Container postgres"] },
    pgCpus: { value: "0.5", reaches: ["docker:Container postgres"] },
    pgWaitSeconds: { value: "60", reaches: ["docker:Container postgres"] },
    gatewayMemory: { value: "512", beside: withGateway, reaches: ["docker:Container gateway"] },
    gatewayCpus: { value: "0.5", beside: withGateway, reaches: ["docker:Container gateway"] },
    gatewayWaitSeconds: { value: "60", beside: withGateway, reaches: ["docker:Container gateway"] },
};

/** Without key pairs, which are made anew each time and kept as they were at first. */
const inputsOf = ({ registrations }: Recording<unknown>) =>
    new Map(registrations.map(({ key, inputs }) => [key, JSON.stringify(revealed({ ...inputs, keepers: undefined }))]));

/** What is registered with this configuration. */
const cache = new Map<string, Promise<Map<string, string>>>();
function registered(values: Values): Promise<Map<string, string>> {
    const key = JSON.stringify(values);
    const known = cache.get(key) ?? platform(values).then(inputsOf);
    cache.set(key, known);
    return known;
}

/** The resources that differ between two configurations. */
async function changed(before: Values, after: Values): Promise<string[]> {
    const [old, now] = [await registered(before), await registered(after)];
    return [...new Set([...old.keys(), ...now.keys()])]
        .filter((key) => old.get(key) !== now.get(key))
        .map(withoutHash)
        .sort();
}

it("the table has every key", () => {
    expect(Object.keys(table)).toEqual(Object.keys(keys));
});

it("the same configuration registers the same", async () => {
    expect(inputsOf(await platform())).toEqual(await registered({}));
});

describe("each key", () => {
    it.each(
        Object.entries(table)
            .filter(([, entry]) => entry === "refused in this version")
            .map(([name]) => name),
    )("%s is refused in this version", async (name) => {
        await expect(platform({ [name]: "false" })).rejects.toThrow(/is not supported in this version/);
    });

    it.each(
        Object.entries(table)
            .filter(([, entry]) => entry === "lets others be")
            .map(([name]) => name),
    )("%s changes nothing by itself, and lets be what is refused without it", async (name) => {
        expect(await changed({}, { [name]: "true" })).toEqual([]);
        await expect(platform({ bindAddress: "0.0.0.0" })).rejects.toThrow(/ lets it be so all the same$/);
        expect(await changed({}, { [name]: "true", bindAddress: "0.0.0.0" })).toEqual([
            "docker:Container minio",
            "docker:Container mlflow",
        ]);
    });

    it.each(
        Object.entries(table).flatMap(([name, entry]) =>
            typeof entry === "string"
                ? []
                : [[name, entry.value, entry.reaches, entry.beside ?? {}, entry.along ?? {}] as const],
        ),
    )("%s = %s reaches %j and nothing else, beside %j with %j", async (name, value, reaches, beside, along) => {
        expect(await changed(beside, { ...beside, ...along, [name]: value })).toEqual(reaches);
    });

    // What a key means by default is above; this is what it means beside others.
    const throughGateway = ["docker:Container gateway", "docker:Container gateway-secrets-seed"];
    const withStoreTls: Values = { minioStorageUseHttps: "true" };
    it.each<[keyof Configuration, string, string[], Values]>([
        ["mlflowPort", "8443", [...throughGateway, "docker:Container mlflow"], withGateway],
        ["minioPort", "9010", throughGateway, withGateway],
        ["minioConsoleAddress", ":9011", [...throughGateway, "docker:Container minio"], withGateway],
        ["bindAddress", "192.0.2.7", [...throughGateway, "docker:Container mlflow"], withGateway],
        ["publicHost", "ml.example.com", [...throughGateway, "docker:Container mlflow"], withGateway],
        [
            "minioStorageUseHttps",
            "true",
            [
                "docker:Container gateway-secrets-seed",
                "docker:Container minio-provision",
                "docker:Container minio-provision-secrets-seed",
                "docker:Container minio-secrets-seed",
                "docker:Container mlflow",
                "docker:Container mlflow-secrets-seed",
                "docker:Volume gateway-secrets",
                "docker:Volume minio-provision-secrets",
                "docker:Volume minio-secrets",
                "docker:Volume mlflow-secrets",
                "mlflow-platform:ServerCertificate minio-certificate",
                "random:RandomId minio-certificate",
            ],
            withGateway,
        ],
        [
            "baseImage",
            "debian:13",
            [
                "docker:Container gateway",
                "docker:Container minio",
                "docker:Container minio-provision",
                "docker:Container mlflow",
                "docker:Container mlflow-migrate",
                "docker:Container postgres",
                "docker:RemoteImage gateway",
                "docker:RemoteImage minio",
                "docker:RemoteImage mlflow",
                "docker:RemoteImage postgres",
            ],
            withGateway,
        ],
        [
            "baseImage",
            "debian:13",
            [
                "docker:Container minio",
                "docker:Container minio-provision",
                "docker:Container mlflow",
                "docker:Container mlflow-migrate",
                "docker:Container model-iris",
                "docker:Container model-iris-monitor",
                "docker:Container postgres",
                "docker:RemoteImage minio",
                "docker:RemoteImage mlflow",
                "docker:RemoteImage model",
                "docker:RemoteImage postgres",
            ],
            withMonitor,
        ],
        // What is served is for MLflow's network, and for the gateway's where there is one.
        ["modelImage", "registry.example.com/model:1", [], {}],
        ["bindAddress", "127.0.0.2", ["docker:Container minio", "docker:Container mlflow"], withModel],
        [
            "publicHost",
            "mlflow.example.com",
            [
                "docker:Container gateway",
                "docker:Container gateway-secrets-seed",
                "docker:Container minio",
                "docker:Container mlflow",
                "docker:Container model-iris",
                "docker:RemoteImage gateway",
                "docker:Volume gateway-secrets",
                "mlflow-platform:Gateway gateway",
                "mlflow-platform:Image gateway",
                "mlflow-platform:SecretFiles gateway-secrets",
            ],
            withModel,
        ],
        [
            "modelServers",
            withModel.modelServers ?? "",
            [
                "docker:Container gateway",
                "docker:Container gateway-secrets-seed",
                "docker:Container mlflow",
                "docker:Container mlflow-migrate",
                "docker:Container mlflow-migrate-secrets-seed",
                "docker:Volume gateway-secrets",
                "docker:Volume mlflow-migrate-secrets",
                ...modelImageHere,
                ...modelServerHere,
            ].sort(),
            withGateway,
        ],
        [
            "modelServers",
            withModel.modelServers ?? "",
            ["docker:Container mlflow", ...modelImageHere, ...modelServerHere].sort(),
            { mlflowAuth: "false" },
        ],
        [
            "modelServerKey",
            "another key, of more than 32 characters",
            [
                "docker:Container gateway-secrets-seed",
                "docker:Container mlflow-migrate-secrets-seed",
                "docker:Container model-iris-secrets-seed",
            ],
            { ...withModel, ...withGateway },
        ],
        // Nothing is derived, nobody is let in, and nothing is installed.
        ["modelServerKey", "another key, of more than 32 characters", [], {}],
        ["modelServerKey", "another key, of more than 32 characters", [], { ...withModel, mlflowAuth: "false" }],
        ["packageIndexUrl", "https://pypi.example.com/simple", [], {}],
        ["packageCaFile", "authority.pem", [], {}],
        ["monitorUsername", "guard", [], { ...withModel, ...monitorSettings }],
        ["monitorPassword", "hunter5", [], { ...withMonitor, mlflowAuth: "false" }],
        ["monitorProject", "drift", [], withModel],
        // What is signed for clients is signed for where they reach the store.
        ["minioPort", "9010", ["docker:Container minio", "docker:Container mlflow"], { artifactTransfer: "presigned" }],
        // Another name is another certificate.
        [
            "bindAddress",
            "127.0.0.2",
            [
                "docker:Container minio",
                "docker:Container minio-secrets-seed",
                "docker:Container mlflow",
                "random:RandomId minio-certificate",
                "random:RandomId minio-certificate",
            ],
            withStoreTls,
        ],
        // Nobody logs in.
        ["adminUsername", "ana", [], { mlflowAuth: "false" }],
        ["adminPassword", "long enough for all", [], { mlflowAuth: "false" }],
        ["defaultPermission", "READ", [], { mlflowAuth: "false" }],
        ["pgAuthUser", "people", ["docker:Container postgres"], { mlflowAuth: "false" }],
        ["pgAuthPassword", "hunter4", ["docker:Container postgres-secrets-seed"], { mlflowAuth: "false" }],
    ])("%s = %s reaches %j and nothing else, beside %j", async (name, value, reaches, beside) => {
        expect(await changed(beside, { ...beside, [name]: value })).toEqual(reaches);
    });

    // And for a database or store elsewhere.
    const everyLogin = [
        "docker:Container mlflow",
        "docker:Container mlflow-migrate",
        "docker:Container mlflow-migrate-secrets-seed",
        "docker:Container mlflow-secrets-seed",
    ];
    const everyKey = ["docker:Container mlflow-secrets-seed", "docker:Container s3-bucket-secrets-seed"];
    const withAuth: Values = { ...withDatabase, pgAuthUser: "people", pgAuthPassword: "hunter4" };
    const withOwner: Values = { ...withDatabase, pgOwnerUser: "chief", pgOwnerPassword: "hunter3" };
    it.each<[keyof Configuration, string, string[], Values]>([
        ["pgPort", "6432", everyLogin, withDatabase],
        ["pgDatabase", "tracking", everyLogin, withDatabase],
        ["pgUser", "ana", everyLogin, withDatabase],
        [
            "pgPassword",
            "hunter4",
            ["docker:Container mlflow-migrate-secrets-seed", "docker:Container mlflow-secrets-seed"],
            withDatabase,
        ],
        [
            "pgOwnerUser",
            "boss",
            ["docker:Container mlflow-migrate", "docker:Container mlflow-migrate-secrets-seed"],
            withOwner,
        ],
        ["pgOwnerPassword", "hunter4", ["docker:Container mlflow-migrate-secrets-seed"], withOwner],
        ["pgAuthUser", "others", everyLogin, withAuth],
        [
            "pgAuthPassword",
            "hunter5",
            ["docker:Container mlflow-migrate-secrets-seed", "docker:Container mlflow-secrets-seed"],
            withAuth,
        ],
        ["minioStorageUseHttps", "true", ["docker:Container mlflow", "docker:Container s3-bucket"], withStore],
        ["pgWaitSeconds", "60", ["docker:Container mlflow-migrate"], withDatabase],
        ["minioPort", "443", ["docker:Container mlflow", "docker:Container s3-bucket"], withStore],
        ["minioRegion", "eu-central-1", ["docker:Container mlflow", "docker:Container s3-bucket"], withStore],
        ["mlflowBucketName", "artifacts", ["docker:Container mlflow", "docker:Container s3-bucket"], withStore],
        ["minioAccessKey", "other", everyKey, withStore],
        ["minioSecretAccessKey", "longer than before", everyKey, withStore],
        ["minioWaitSeconds", "60", ["docker:Container s3-bucket"], withStore],
    ])("%s = %s reaches %j and nothing else, beside %j", async (name, value, reaches, beside) => {
        expect(await changed(beside, { ...beside, [name]: value })).toEqual(reaches);
    });

    const everythingElsewhere: Values = {
        pgHost: "postgres.example.com",
        pgPassword: "word",
        pgOwnerUser: "owner",
        pgOwnerPassword: "owner's word",
        pgAuthUser: "auth",
        pgAuthPassword: "auth's word",
        pgSslMode: "verify-full",
        minioHost: "store.example.com",
        minioAccessKey: "key",
        minioSecretAccessKey: "key's word",
        minioStorageUseHttps: "true",
    };
    it("reaches something also where database and store are elsewhere, or is refused there", async () => {
        const refused: string[] = [];
        for (const [name, entry] of Object.entries(table)) {
            if (typeof entry === "string") {
                continue;
            }
            const value = everythingElsewhere[name] === entry.value ? "false" : entry.value;
            const before = { ...entry.beside, ...everythingElsewhere };
            const outcome = await changed(before, { ...before, ...entry.along, [name]: value }).catch(
                (error: unknown) => (error as Error).message,
            );
            if (typeof outcome === "string") {
                expect(outcome).toMatch(
                    new RegExp(
                        `has a problem:\n  ${name}: is for the \\w+ that runs here, and \\w+ names another: .*$`,
                    ),
                );
                refused.push(name);
            } else {
                expect([name, outcome]).not.toEqual([name, []]);
            }
        }
        expect(refused).toEqual([
            "minioVolumePath",
            "minioConsoleAddress",
            "minioRootUser",
            "minioRootPassword",
            "minioVolumeName",
            "minioImage",
            "postgresImage",
            "minioMemory",
            "minioCpus",
            "pgMemory",
            "pgCpus",
        ]);
    }, 120_000);

    /** Field of a served model → another value, and what it reaches of a model with a monitor, then behind a gateway. */
    const ofModel = ["docker:Container model-iris"];
    const ofMonitor = ["docker:Container model-iris-monitor"];
    const ofGateway = ["docker:Container gateway", "docker:Container gateway-secrets-seed"];
    const fields: Record<
        keyof ServedModel,
        { value: string | number; reaches: string[]; behind?: string[] } | "another model"
    > = {
        name: "another model",
        model: { value: "flowers", reaches: ["docker:Container mlflow-migrate", ...ofModel, ...ofMonitor] },
        alias: { value: "champion", reaches: [...ofModel, ...ofMonitor] },
        port: { value: 5101, reaches: ofModel, behind: ofGateway },
        memory: { value: 1024, reaches: ofModel },
        cpus: { value: 0.5, reaches: ofModel },
        aliasPollSeconds: { value: 60, reaches: ofModel },
        requestSize: { value: 64, reaches: ofModel },
        requestSeconds: { value: 90, reaches: ofModel },
        requestConcurrency: { value: 2, reaches: ofModel },
        recordSampleRate: { value: 0.5, reaches: ofModel },
        recordSize: { value: 64, reaches: ofModel },
        recordDays: { value: 7, reaches: ofModel },
        waitSeconds: { value: 60, reaches: ofModel },
        // Without a gateway there is no token.
        tokenVersion: { value: 2, reaches: [], behind: ["docker:Container gateway-secrets-seed"] },
        monitorSchedule: { value: "30 * * * *", reaches: ofMonitor },
        minimumSamples: { value: 500, reaches: ofMonitor },
        promote: { value: "auto", reaches: ofMonitor },
    };

    it.each(
        Object.entries(fields).flatMap(([name, entry]) =>
            typeof entry === "string"
                ? []
                : [[name, entry.value, entry.reaches, entry.behind ?? entry.reaches] as const],
        ),
    )(
        "the field %s of a served model = %s reaches %j and nothing else, behind a gateway %j",
        async (name, value, reaches, behind) => {
            for (const [more, expected] of [
                [{}, reaches],
                [withGateway, behind],
            ] as const) {
                const after = { ...withMonitor, ...more, ...servingWith({ ...monitored, [name]: value }) };
                expect(await changed({ ...withMonitor, ...more }, after)).toEqual(expected);
            }
        },
    );

    it("the field name is another model: nothing of the one before is left", async () => {
        const reached = await changed(withModel, servingWith({ name: "wine" }));
        expect(reached).toEqual(
            [
                "docker:Container mlflow",
                "docker:Container mlflow-migrate",
                "docker:Container mlflow-migrate-secrets-seed",
                ...modelServerHere,
                ...modelServerHere.map((key) => key.replace("iris", "wine")),
            ].sort(),
        );
    });

    it("a second model reaches nothing of the first", async () => {
        const both = JSON.stringify([
            { name: "iris", port: 5100 },
            { name: "wine", port: 5101 },
        ]);
        expect(await changed(withModel, { modelServers: both })).toEqual(
            [
                "docker:Container mlflow",
                "docker:Container mlflow-migrate",
                "docker:Container mlflow-migrate-secrets-seed",
                ...modelServerHere.map((key) => key.replace("iris", "wine")),
            ].sort(),
        );
    });

    it.each([
        ["mlflowWaitSeconds", "mlflow"],
        ["minioWaitSeconds", "minio"],
        ["pgWaitSeconds", "postgres"],
        ["gatewayWaitSeconds", "gateway"],
    ])("%s changes nothing of %s but how long an update waits: nothing is replaced for it", async (name, container) => {
        const inputs = async (values: Values) =>
            JSON.parse((await registered(values)).get(`docker:Container ${container}`) ?? "") as Record<
                string,
                unknown
            >;
        const before = await inputs(withGateway);
        expect(await inputs({ ...withGateway, [name]: "60" })).toEqual({ ...before, waitTimeout: 60 });
        expect(before.waitTimeout).not.toBe(60);
    });
});
