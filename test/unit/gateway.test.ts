/** The gateway: exactly what it registers, for each kind of certificate. What its configuration says is tested beside this. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { Gateway, type GatewayArgs } from "../../components/gateway.ts";
import { gatewayConfiguration } from "../../components/gatewayConfiguration.ts";
import { authorities } from "./support/certificates.ts";
import { containerOptions, filesOf, labelInputs, labels, secretsMount, service, tree } from "./support/containers.ts";
import { record, revealed, secret, valueOf, withFailures } from "./support/recording.ts";

const sites = [
    { name: "tracking", port: 443, upstream: "http://mlflow:5000" },
    { name: "s3", port: 9010, upstream: "https://minio:9000" },
] as const;
const args: GatewayArgs = {
    image: "gateway:1",
    seedImage: "seed:1",
    networkId: "network id",
    dataVolume: pulumi.output("gateway_data"),
    publicHost: "ml.example.com",
    otherHosts: ["localhost", "127.0.0.2"],
    sites,
    modelServers: [],
    behind: [],
    httpPort: undefined,
    certificate: {
        kind: "internal",
        authority: { certificate: pulumi.output("authority's"), privateKey: pulumi.secret("authority's key") },
    },
    upstreamAuthorities: undefined,
    bindAddress: "127.0.0.2",
    memory: 128,
    cpus: 0.5,
    waitSeconds: 70,
    labels,
};
const make = (more: Partial<GatewayArgs> = {}) => record(() => new Gateway("gateway", { ...args, ...more }));

/** The files of its seed: the configuration parsed, the others as they are. */
const files = async (more: Partial<GatewayArgs>) => {
    const { owner, files: all } = filesOf(await make(more), "gateway-secrets-seed");
    expect(owner).toEqual(["1000:1000"]);
    const entries = Object.entries(all).map(([path, content]) => [path.replace("/run/secrets/platform/", ""), content]);
    const { "caddy.json": configuration, ...others } = Object.fromEntries(entries) as Record<string, unknown>;
    return { configuration: JSON.parse((configuration as { value: string }).value) as unknown, others };
};
/** The same configuration with this difference; as JSON has it, without what is undefined. */
const configured = (different: Partial<Parameters<typeof gatewayConfiguration>[0]>): unknown =>
    JSON.parse(
        JSON.stringify(
            gatewayConfiguration({
                publicHost: "ml.example.com",
                otherHosts: ["localhost", "127.0.0.2"],
                sites,
                httpPort: undefined,
                policy: { kind: "internal" },
                upstreamAuthorities: false,
                ...different,
            }),
        ),
    );

describe("a gateway", () => {
    it("is a service and its secrets", async () => {
        expect(tree(await make())).toEqual([
            "docker:Container gateway < mlflow-platform:Gateway gateway",
            "docker:Container gateway-secrets-seed < mlflow-platform:SecretFiles gateway-secrets",
            "docker:Volume gateway-secrets < mlflow-platform:SecretFiles gateway-secrets",
            "mlflow-platform:Gateway gateway < stack",
            "mlflow-platform:SecretFiles gateway-secrets < mlflow-platform:Gateway gateway",
        ]);
    });

    it("publishes each site on its own port, answers to its name on the network, and keeps what it is to keep", async () => {
        const { get, result } = await make();
        expect(get("docker:Container gateway").inputs).toStrictEqual({
            ...service,
            image: "gateway:1",
            labels: labelInputs,
            user: "1000:1000",
            envs: ["PUBLIC_HOST=ml.example.com", "PUBLIC_PORT=443"],
            tmpfs: { "/tmp": "rw,noexec,nosuid,nodev,size=16m" },
            memory: 128,
            memorySwap: 128,
            cpus: "0.5",
            volumes: [
                { volumeName: "gateway_data", containerPath: "/data", readOnly: false },
                secretsMount("gateway-secrets"),
            ],
            networksAdvanced: [{ name: "network id", aliases: ["gateway", "ml.example.com"] }],
            ports: [
                { internal: 443, external: 443, ip: "127.0.0.2" },
                { internal: 9010, external: 9010, ip: "127.0.0.2" },
            ],
            healthcheck: {
                tests: ["CMD", "/usr/local/bin/healthy"],
                interval: "3s",
                timeout: "5s",
                startPeriod: "2h0m0s",
                retries: 9,
            },
            waitTimeout: 70,
            destroyGraceSeconds: 30,
            stopTimeout: 30,
        });
        expect(get("docker:Container gateway").options).toStrictEqual({
            ...containerOptions,
            dependencies: ["docker:Container gateway-secrets-seed", "docker:Volume gateway-secrets"],
            replaceWith: ["docker:Container gateway-secrets-seed"],
        });
        expect(await valueOf(result.started)).toBe(true);
    });

    it.each([
        ["ml.example.com", ["gateway", "ml.example.com"]],
        ["ml", ["gateway", "ml"]],
        // Docker's DNS has no names for these, and on the network they mean something else.
        ["localhost", ["gateway"]],
        ["192.168.1.10", ["gateway"]],
    ])("is, called %s, known on the network as %j", async (publicHost, aliases) => {
        const { get } = await make({ publicHost });
        expect(get("docker:Container gateway").inputs.networksAdvanced).toEqual([{ name: "network id", aliases }]);
    });

    it("publishes plain HTTP where a port is named, and is told", async () => {
        const { get } = await make({ httpPort: 80 });
        expect(get("docker:Container gateway").inputs.ports).toEqual(
            [80, 443, 9010].map((port) => ({ internal: port, external: port, ip: "127.0.0.2" })),
        );
        expect((await files({ httpPort: 80 })).configuration).toEqual(configured({ httpPort: 80 }));
    });

    it.each<[string, Partial<GatewayArgs>, Parameters<typeof configured>[0], Record<string, string>]>([
        [
            "signed by the stack's own authority",
            {},
            {},
            { ca_certificate: "authority's", ca_private_key: "authority's key" },
        ],
        [
            "given",
            { certificate: { kind: "given", certificate: "one and its issuer", privateKey: "its key" } },
            { policy: { kind: "given" } },
            { tls_certificate: "one and its issuer", tls_private_key: "its key" },
        ],
        [
            "by ACME",
            { certificate: { kind: "acme", email: "it@example.com" } },
            { policy: { kind: "acme", email: "it@example.com", privateRoots: false } },
            {},
        ],
        [
            "by another ACME authority, which has a certificate of its own",
            {
                certificate: {
                    kind: "acme",
                    email: "it@example.com",
                    directory: "https://ca.example.com/acme",
                    authorities: authorities.one,
                },
            },
            {
                policy: {
                    kind: "acme",
                    email: "it@example.com",
                    directory: "https://ca.example.com/acme",
                    privateRoots: true,
                },
            },
            { acme_ca: authorities.one },
        ],
    ])("has its certificate %s, and its key as a secret file", async (_words, more, different, expected) => {
        for (const upstreamAuthorities of [undefined, pulumi.output("MinIO's authority")]) {
            const inside = upstreamAuthorities === undefined ? {} : { s3_ca: "MinIO's authority" };
            const { configuration, others } = await files({ ...more, upstreamAuthorities });
            expect(configuration).toEqual(
                configured({ ...different, upstreamAuthorities: inside.s3_ca !== undefined }),
            );
            expect(others).toStrictEqual(
                Object.fromEntries(
                    Object.entries({ ...expected, ...inside }).map(([name, content]) => [name, secret(content)]),
                ),
            );
        }
    });

    describe("with model servers", () => {
        const modelServers: GatewayArgs["modelServers"] = [
            {
                networkId: "iris' network",
                site: { name: "model-iris", port: 5100, upstream: "http://model-iris:8080" },
                token: pulumi.secret("iris' token"),
            },
            {
                networkId: pulumi.output("wine's network"),
                site: { name: "model-wine", port: 5101, upstream: "http://model-wine:8080" },
                // Not marked: it must end up secret.
                token: "wine's token",
            },
        ];

        it("joins the network of each, with no name there, and publishes its port", async () => {
            const [alone, { get }] = [await make(), await make({ modelServers, httpPort: 80 })];
            expect(get("docker:Container gateway").inputs).toStrictEqual({
                ...alone.get("docker:Container gateway").inputs,
                networksAdvanced: [
                    { name: "network id", aliases: ["gateway", "ml.example.com"] },
                    { name: "iris' network", aliases: [] },
                    { name: "wine's network", aliases: [] },
                ],
                ports: [80, 443, 5100, 5101, 9010].map((port) => ({ internal: port, external: port, ip: "127.0.0.2" })),
            });
        });

        it("has their sites beside the others, and each token as a file and nowhere else", async () => {
            const { configuration, others } = await files({ modelServers });
            expect(configuration).toEqual(configured({ sites: [...sites, ...modelServers.map(({ site }) => site)] }));
            expect(others).toStrictEqual({
                ca_certificate: secret("authority's"),
                ca_private_key: secret("authority's key"),
                "model-iris-token": secret("iris' token"),
                "model-wine-token": secret("wine's token"),
            });
            const { registrations } = await make({ modelServers });
            for (const { key, inputs } of registrations) {
                const elsewhere = Object.entries(inputs).filter(([name]) => name !== "uploads");
                const text = JSON.stringify(revealed(elsewhere));
                expect([key, /(iris'|wine's) token/.test(text)]).toEqual([key, false]);
            }
            expect(JSON.stringify(configuration)).not.toMatch(/(iris'|wine's) token/);
        });

        it("is another volume of files with them", async () => {
            const { get } = await make({ modelServers });
            expect(get("docker:Volume gateway-secrets").inputs.labels).toEqual([
                ...labelInputs,
                {
                    label: "mlflow-platform.files",
                    value: "ca_certificate ca_private_key caddy.json model-iris-token model-wine-token",
                },
            ]);
        });
    });

    it("is replaced when the list of its files is another one", async () => {
        const { get } = await make();
        expect(get("docker:Volume gateway-secrets").inputs.labels).toEqual([
            ...labelInputs,
            { label: "mlflow-platform.files", value: "ca_certificate ca_private_key caddy.json" },
        ]);
    });

    it("starts after what is behind it, and goes before that is replaced: whoever publishes a port lets it go first", async () => {
        const { get } = await record(() => {
            const [mlflow, minio] = ["mlflow", "minio"].map((name) => new docker.Container(name, { image: name }));
            return new Gateway("gateway", { ...args, behind: [mlflow, minio].filter((one) => one !== undefined) });
        });
        const { options, takes } = get("docker:Container gateway");
        const before = ["docker:Container gateway-secrets-seed", "docker:Container minio", "docker:Container mlflow"];
        expect(options.dependencies).toEqual([...before, "docker:Volume gateway-secrets"]);
        expect(options.replaceWith).toEqual(before);
        // It has none of their properties, so what changes in them changes nothing in it.
        expect(takes).toEqual({ volumes: ["docker:Volume gateway-secrets"] });
    });

    it("has not started where its container was not made", async () => {
        const { result } = await withFailures(async () => {
            const { result: gateway } = await record(() => new Gateway("gateway", args), {
                impossible: ["docker:Container gateway"],
            });
            return valueOf(gateway.started).then(
                () => "started",
                () => "failed",
            );
        });
        expect(result).toBe("failed");
    });
});
