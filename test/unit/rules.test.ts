/** The rules one by one: what obeys each, what breaks it and what is then said; then all of them over the program itself. */
import { mkdirSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { judge, rules, violationText } from "../../rules/judge.ts";
import { type Resource, isSecret, kindOf, maskedValue, nameOf, unknownValue } from "../../rules/resource.ts";
import { givenCertificate } from "./support/certificates.ts";
import { inDirectoryOfItsOwn, platform } from "./support/platform.ts";
import { asJudged } from "./support/judged.ts";

const containerType = "docker:index/container:Container";
const urnOf = (chain: string, name: string) => `urn:pulumi:test::mlflow-platform::${chain}::${name}`;
const digest = `sha256:${"a".repeat(64)}`;

/** A service that obeys every rule. */
const service = {
    image: "mlflow-platform/mlflow:3.17.2-0123456789ab",
    user: "1000:1000",
    readOnly: true,
    capabilities: { drops: ["ALL"], adds: [] },
    securityOpts: ["no-new-privileges"],
    memory: 512,
    memorySwap: 512,
    cpus: "1.0",
    healthcheck: { tests: ["CMD", "/usr/local/bin/healthy"] },
    wait: true,
    restart: "unless-stopped",
    logDriver: "json-file",
    logOpts: { "max-size": "10m", "max-file": "3" },
    ports: [{ internal: 5000, external: 5000, ip: "127.0.0.1" }],
    envs: ["MLFLOW_PORT=5000", "PGPASSFILE=/run/secrets/platform/pgpass", "TOKEN_VERSION=2", "SECRET="],
    command: ["--token-file", "/run/secrets/platform/token"],
    labels: [{ label: "mlflow-platform.stack", value: "test" }],
    volumes: [{ volumeName: "data", containerPath: "/data" }],
    networkMode: "bridge",
};
const withoutHealth = { ...service, healthcheck: undefined, wait: undefined, restart: "no" };
const job = { ...withoutHealth, mustRun: false };
const seed = {
    ...withoutHealth,
    start: false,
    mustRun: false,
    user: undefined,
    readOnly: undefined,
    memory: undefined,
    memorySwap: undefined,
    cpus: undefined,
};

const container = (inputs: object, more: Partial<Resource> = {}): Resource => ({
    urn: urnOf(`mlflow-platform:index:Minio$${containerType}`, "minio"),
    type: containerType,
    name: "minio",
    inputs: { ...inputs },
    op: "create",
    ...more,
});
const image = (name: unknown): Resource => ({
    urn: urnOf("mlflow-platform:index:Image$docker:index/remoteImage:RemoteImage", "mlflow"),
    type: "docker:index/remoteImage:RemoteImage",
    name: "mlflow",
    inputs: { name },
    op: "create",
});
const volume = (name: string, more: Partial<Resource>): Resource => ({
    urn: urnOf("mlflow-platform:index:Volume$docker:index/volume:Volume", name),
    type: "docker:index/volume:Volume",
    name,
    inputs: {},
    op: "same",
    ...more,
});
const password = (more: Partial<Resource>): Resource => ({
    urn: urnOf("mlflow-platform:index:GeneratedSecret$random:index/randomPassword:RandomPassword", "pg-password"),
    type: "random:index/randomPassword:RandomPassword",
    name: "pg-password",
    inputs: { length: 32 },
    op: "same",
    ...more,
});
const mlflow = (login: boolean) =>
    container(
        { ...service, envs: [`LOGIN=${login}`] },
        { urn: urnOf(`mlflow-platform:index:Mlflow$${containerType}`, "mlflow"), name: "mlflow" },
    );
const published = (ip: unknown) => ({ ...service, ports: [{ internal: 443, external: 8443, ip }] });
const gateway = (ip: unknown) =>
    container(published(ip), {
        urn: urnOf(`mlflow-platform:index:Gateway$${containerType}`, "gateway"),
        name: "gateway",
    });

/** "rule: found" for the first of the resources. */
const found = (...resources: Resource[]) =>
    judge(resources)
        .filter(({ urn }) => urn === resources[0]?.urn)
        .map((violation) => `${violation.rule}: ${violation.found}`);

describe("what obeys", () => {
    it.each<[string, Resource[]]>([
        ["a service", [container(service)]],
        ["a job, without health check and restart", [container(job)]],
        ["a seed, which has no process", [container(seed)]],
        ["one that is going, whatever it was", [container({ privileged: true }, { op: "delete" })]],
        [
            "a service of which nothing is known yet",
            [container(Object.fromEntries(Object.keys(service).map((name) => [name, unknownValue])))],
        ],
        [
            "no-new-privileges as newer engines have it",
            [container({ ...service, securityOpts: ["no-new-privileges:true"] })],
        ],
        ["a log that rotates by itself", [container({ ...service, logDriver: "local", logOpts: undefined })]],
        ["a service without ports", [container({ ...service, ports: undefined })]],
        ["one that restarts always", [container({ ...service, restart: "always" })]],
        ["a directory of the host for data", [container({ ...service, volumes: [{ hostPath: "/srv/minio" }] })]],
        ["the gateway on every address, with a login", [gateway("0.0.0.0"), mlflow(true)]],
        ["an image by digest", [image(`registry.example.com/mlflow@${digest}`), image(digest)]],
        ["an image by the hash of its content", [image("mlflow-platform/seed:1-0123456789ab")]],
        ["an image that is not known yet", [image(unknownValue)]],
        ["a data volume that is protected", [volume("minio_data", { protect: true })]],
        [
            "a served model's volume that stays on the engine",
            [volume("model-iris-state", { retainOnDelete: true, op: "delete" })],
        ],
        [
            "the same in a policy pack, which is not told",
            [volume("model-iris-state", { protect: false, op: undefined })],
        ],
        ["a generated secret that is protected", [password({ protect: true })]],
        [
            "a volume of secret files that is made anew",
            [
                {
                    ...volume("minio-secrets", { op: "replace" }),
                    urn: urnOf("mlflow-platform:index:SecretFiles$docker:index/volume:Volume", "minio-secrets"),
                },
            ],
        ],
    ])("%s", (_words, resources) => {
        expect(judge(resources)).toEqual([]);
    });
});

describe("what breaks a rule", () => {
    const uri = "postgresql://mlflow:hunter2@postgres/mlflow";
    it.each<[string, object, string]>([
        ["non-root-user", { user: undefined }, "`user` is not set: the image's user runs, which may be root"],
        ["non-root-user", { user: "0:0" }, "`user` is 0:0"],
        ["non-root-user", { user: "1000:0" }, "`user` is 1000:0"],
        ["non-root-user", { user: "root" }, "`user` is root"],
        ["read-only-root", { readOnly: false }, "`readOnly` is not true"],
        ["no-capabilities", { capabilities: { drops: ["CAP_CHOWN"], adds: [] } }, "`capabilities.drops` has not ALL"],
        ["no-capabilities", { capabilities: undefined }, "`capabilities.drops` has not ALL"],
        [
            "no-capabilities",
            { capabilities: { drops: ["ALL"], adds: ["CAP_CHOWN"] } },
            "`capabilities.adds` has CAP_CHOWN",
        ],
        [
            "no-new-privileges",
            { securityOpts: ["no-new-privileges:false"] },
            "`securityOpts` has not no-new-privileges",
        ],
        ["not-privileged", { privileged: true }, "`privileged` is true"],
        ["not-privileged", { devices: [{ hostPath: "/dev/sda" }] }, "`devices` gives it the host's"],
        [
            "not-privileged",
            { securityOpts: ["no-new-privileges", "seccomp=unconfined"] },
            "`securityOpts` has seccomp=unconfined",
        ],
        ["own-namespaces", { networkMode: "host" }, "`networkMode` is host"],
        ["own-namespaces", { pidMode: "host" }, "`pidMode` is host"],
        ["no-engine-socket", { volumes: [{ hostPath: "/var/run/docker.sock" }] }, "it mounts /var/run/docker.sock"],
        ["no-engine-socket", { volumes: [{ hostPath: "/run" }] }, "it mounts /run"],
        ["no-engine-socket", { mounts: [{ type: "bind", source: "/" }] }, "it mounts /"],
        [
            "no-engine-socket",
            { mounts: [{ type: "bind", source: "/run/user/1000/podman/podman.sock" }] },
            "it mounts /run/user/1000/podman/podman.sock",
        ],
        ["memory-limit", { memory: undefined }, "`memory` is not set"],
        ["memory-limit", { memorySwap: undefined }, "`memorySwap` is not set, and `memory` 512"],
        ["memory-limit", { memorySwap: -1 }, "`memorySwap` is -1, and `memory` 512"],
        ["cpu-limit", { cpus: undefined }, "`cpus` is not set"],
        ["health-check", { healthcheck: undefined }, "`healthcheck` has no test"],
        ["health-check", { healthcheck: { tests: ["NONE"] } }, "`healthcheck` has no test"],
        ["health-check", { wait: false }, "`wait` is not true: no update waits for the health check"],
        ["restart-policy", { restart: "no" }, "`restart` is no"],
        ["restart-policy", { restart: undefined }, "`restart` is not set"],
        ["log-rotation", { logOpts: { "max-size": "10m" } }, "`logOpts` has no max-file"],
        ["log-rotation", { logDriver: undefined, logOpts: { "max-file": "3" } }, "`logOpts` has no max-size"],
        [
            "loopback-or-protected",
            published("0.0.0.0"),
            "port 8443 is published on 0.0.0.0, without TLS: it is not the gateway and without a login at MLflow",
        ],
        [
            "loopback-or-protected",
            published(undefined),
            "port 8443 is published on every address, without TLS: it is not the gateway and without a login at MLflow",
        ],
        ["loopback-or-protected", { publishAllPorts: true }, "`publishAllPorts` is true"],
        ["no-secret-in-sight", { envs: maskedValue }, "`envs` holds a secret"],
        ["no-secret-in-sight", { envs: ["A=1", maskedValue] }, "`envs` holds a secret"],
        ["no-secret-in-sight", { envs: ["PG_PASSWORD=hunter2"] }, "`envs` has a credential in PG_PASSWORD"],
        [
            "no-secret-in-sight",
            { envs: ["AWS_SECRET_ACCESS_KEY=hunter2"] },
            "`envs` has a credential in AWS_SECRET_ACCESS_KEY",
        ],
        ["no-secret-in-sight", { envs: [`DATABASE=${uri}`] }, "`envs` has a credential in DATABASE"],
        ["no-secret-in-sight", { command: ["--password", "hunter2"] }, "`command` has a credential in an argument"],
        ["no-secret-in-sight", { command: ["--api-key=hunter2"] }, "`command` has a credential in an argument"],
        ["no-secret-in-sight", { command: ["serve", uri] }, "`command` has a credential in an argument"],
        [
            "no-secret-in-sight",
            { entrypoints: ["-----BEGIN PRIVATE KEY-----"] },
            "`entrypoints` has a credential in an argument",
        ],
        [
            "no-secret-in-sight",
            { healthcheck: { tests: ["CMD", "curl", "http://a:hunter2@localhost"] } },
            "`healthcheck.tests` has a credential in an argument",
        ],
        ["no-secret-in-sight", { labels: [{ label: "token", value: "hunter2" }] }, "label token has a credential"],
        ["pinned-image", { image: "mlflow-platform/mlflow:latest" }, "`image` is mlflow-platform/mlflow:latest"],
        ["pinned-image", { image: undefined }, "`image` is not set"],
    ])("%s: %o", (rule, change, text) => {
        const all = judge([container({ ...service, ...change })]);
        expect(all.map((violation) => `${violation.rule}: ${violation.found}`)).toEqual([`${rule}: ${text}`]);
        expect(JSON.stringify(all)).not.toContain("hunter2");
    });

    it.each<[string, string]>([
        ["postgres", "`name` is postgres"],
        ["postgres:latest", "`name` is postgres:latest"],
        ["registry.example.com:5000/postgres", "`name` is registry.example.com:5000/postgres"],
        ["registry.example.com/postgres:17", "`name` is registry.example.com/postgres:17"],
    ])("pinned-image: %s", (reference, text) => {
        expect(found(image(reference))).toEqual([`pinned-image: ${text}`]);
    });

    it.each<[string, Resource[], string]>([
        [
            "the gateway, without a login",
            [gateway("192.0.2.7"), mlflow(false)],
            "port 8443 is published on 192.0.2.7, without a login at MLflow",
        ],
        [
            "another container, with a login",
            [container(published("0.0.0.0")), mlflow(true)],
            "port 8443 is published on 0.0.0.0, without TLS: it is not the gateway",
        ],
    ])("loopback-or-protected: %s", (_words, resources, text) => {
        expect(found(...resources)).toEqual([`loopback-or-protected: ${text}`]);
    });

    it.each<[string, Resource, string[]]>([
        [
            "a data volume that is replaced",
            volume("minio_data", { protect: true, op: "replace" }),
            ["an update would replace this volume"],
        ],
        [
            "a data volume that is deleted",
            volume("minio_data", { protect: true, op: "delete" }),
            ["an update would delete this volume"],
        ],
        [
            "a data volume without protection",
            volume("postgres_data", { protect: false, retainOnDelete: false }),
            ["this volume is not protected"],
        ],
        [
            "the same in a policy pack",
            volume("postgres_data", { protect: false, op: undefined }),
            ["this volume is not protected"],
        ],
        [
            "a generated secret that is replaced",
            password({ protect: true, op: "replace" }),
            ["an update would replace this RandomPassword"],
        ],
        [
            "a generated secret without protection that goes",
            password({ op: "delete" }),
            ["this RandomPassword is not protected", "an update would delete this RandomPassword"],
        ],
        [
            "whatever else is protected and goes",
            container(service, { protect: true, op: "replace" }),
            ["an update would replace this container"],
        ],
    ])("data-kept: %s", (_words, resource, lines) => {
        expect(found(resource)).toEqual(lines.map((line) => `data-kept: ${line}`));
    });

    it("is said with resource, rule and cure, whatever the rule", () => {
        const [violation] = judge([container({ ...service, readOnly: false })]);
        expect(violation).toEqual({
            rule: "read-only-root",
            urn: container({}).urn,
            resource: "container minio",
            found: "`readOnly` is not true",
            cure: "Set `readOnly` true, with `tmpfs` or a volume where the process has to write.",
        });
        expect(violation === undefined ? "" : violationText(violation)).toBe(
            "container minio: `readOnly` is not true (rule read-only-root). Set `readOnly` true, with `tmpfs` or a volume where the process has to write.",
        );
    });
});

describe("jobs and seeds", () => {
    it("keep every rule of a service but health check and restart policy", () => {
        const ofService = new Set(judge([container({})]).map(({ rule }) => rule));
        const ofJob = new Set(judge([container({ mustRun: false })]).map(({ rule }) => rule));
        expect([...ofService].filter((rule) => !ofJob.has(rule))).toEqual(["health-check", "restart-policy"]);
    });

    it("that never start keep those that do not need a process", () => {
        const ofSeed = new Set(judge([container({ start: false })]).map(({ rule }) => rule));
        expect([...ofSeed]).toEqual(["no-capabilities", "no-new-privileges", "log-rotation", "pinned-image"]);
    });
});

it("every rule has an id of its own, and says what, why and how to mend it", () => {
    expect(new Set(rules.map(({ id }) => id)).size).toBe(rules.length);
    for (const { id, title, reason, cure } of rules) {
        expect(id).toMatch(/^[a-z]+(-[a-z]+)*$/);
        for (const text of [title, reason, cure]) {
            expect(text).toMatch(/^\S.*\S$/);
        }
    }
});

it("a secret is seen wherever Pulumi's marks for one stand", () => {
    const onTheWire = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", ciphertext: "x" };
    expect([maskedValue, onTheWire, ["a", onTheWire], { a: { b: maskedValue } }].map(isSecret)).toEqual([
        true,
        true,
        true,
        true,
    ]);
    expect(["secret", ["a"], { a: 1 }, undefined, null].map(isSecret)).toEqual([false, false, false, false, false]);
});

it("kind and name of a resource are those that users know", () => {
    expect(
        ["docker:index/remoteImage:RemoteImage", containerType, "random:index/randomId:RandomId"].map(kindOf),
    ).toEqual(["image", "container", "RandomId"]);
    expect(nameOf(container({}).urn)).toBe("minio");
});

describe("the program", () => {
    inDirectoryOfItsOwn();
    let certificate: Awaited<ReturnType<typeof givenCertificate>>;
    beforeAll(async () => {
        certificate = await givenCertificate(["mlflow.example.com"]);
        writeFileSync("given.pem", certificate.certificate);
        mkdirSync("lifecycle/python", { recursive: true });
        writeFileSync("lifecycle/python/MLproject", "name: lifecycle\n");
    });

    const team = { publicHost: "mlflow.example.com", bindAddress: "0.0.0.0" };
    const models = {
        modelServers: JSON.stringify([
            { name: "iris", port: 5100, monitorSchedule: "0 * * * *" },
            { name: "wine", port: 5101 },
        ]),
        monitorUsername: "watchman",
        monitorPassword: "watchman's word",
        monitorProject: "lifecycle",
    };
    const elsewhere = {
        pgHost: "db.example.com",
        pgPassword: "hunter2",
        minioHost: "s3.example.com",
        minioAccessKey: "somebody",
        minioSecretAccessKey: "long enough",
    };
    it.each<[string, Record<string, string>, boolean]>([
        ["like dev", { mlflowAuth: "false" }, false],
        ["with a login", {}, false],
        ["with a login, while planning", {}, true],
        ["with a gateway", team, false],
        ["with a gateway, while planning", team, true],
        [
            "with a gateway on loopback, without a login",
            { publicHost: "mlflow.example.com", mlflowAuth: "false" },
            false,
        ],
        ["with served models and a monitor", models, false],
        ["with served models behind a gateway", { ...team, ...models }, false],
        ["with database and store elsewhere", elsewhere, false],
        [
            "with TLS between the services, and signed transfers",
            { minioStorageUseHttps: "true", artifactTransfer: "presigned" },
            false,
        ],
        ["with a directory for MinIO's data", { minioVolumePath: "/srv/minio" }, false],
    ])("keeps every rule, %s", async (_words, configuration, preview) => {
        const made = await platform(configuration, { preview });
        const stack = asJudged(made);
        expect(stack.filter(({ type }) => type === containerType).length).toBeGreaterThan(5);
        expect(judge(stack)).toEqual([]);
    });

    it("keeps every rule with a certificate of its own", async () => {
        const configuration = { ...team, tlsCertificateFile: "given.pem", tlsPrivateKey: certificate.privateKey };
        expect(judge(asJudged(await platform(configuration)))).toEqual([]);
    });

    it("that is let out without login and TLS breaks the one rule, at each port", async () => {
        const open = { bindAddress: "0.0.0.0", mlflowAuth: "false", allowInsecureExposure: "true" };
        const violations = judge(asJudged(await platform(open)));
        expect(
            violations.map(
                ({ rule, resource, found: text }) => `${rule} ${resource} ${text.split(" ").slice(0, 2).join(" ")}`,
            ),
        ).toEqual([
            "loopback-or-protected container minio port 9000",
            "loopback-or-protected container minio port 9001",
            "loopback-or-protected container mlflow port 5000",
        ]);
    });

    it("with an image whose tag moves breaks the one rule, at the image and wherever it runs", async () => {
        const violations = judge(asJudged(await platform({ postgresImage: "registry.example.com/postgres:17" })));
        expect(violations.map(({ rule, resource }) => `${rule} ${resource}`).sort()).toEqual([
            "pinned-image container postgres",
            "pinned-image image postgres",
        ]);
    });
});
