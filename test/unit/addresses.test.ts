/** Under which addresses the platform is called, and which of them the tracking server answers for. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Access, addressesOf, allowedHosts } from "../../components/addresses.ts";

const local: Access = {
    publicHost: undefined,
    bindAddress: "127.0.0.1",
    mlflowPort: 5000,
    minioPort: 9000,
    consolePort: 9001,
    storeTls: false,
};
const privatePatterns = [
    "10.*",
    "192.168.*",
    ...[16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31].map((second) => `172.${second}.*`),
];

describe("the addresses of a platform", () => {
    it.each<[string, Partial<Access>, string[], string[], string[]]>([
        // what is set, then URLs of MLflow, S3 and the console, then names, then origins
        [
            "nothing",
            {},
            ["http://127.0.0.1:5000", "http://127.0.0.1:9000", "http://127.0.0.1:9001"],
            ["localhost", "127.0.0.1"],
            [],
        ],
        [
            "another loopback address",
            { bindAddress: "127.0.0.2" },
            ["http://127.0.0.2:5000", "http://127.0.0.2:9000", "http://127.0.0.2:9001"],
            ["localhost", "127.0.0.1", "127.0.0.2"],
            ["http://127.0.0.2:5000"],
        ],
        [
            "other ports",
            { mlflowPort: 80, minioPort: 443, consolePort: 9443 },
            ["http://127.0.0.1", "http://127.0.0.1:443", "http://127.0.0.1:9443"],
            ["localhost", "127.0.0.1"],
            [],
        ],
        [
            "one address of a network",
            { bindAddress: "192.168.1.10" },
            ["http://192.168.1.10:5000", "http://192.168.1.10:9000", "http://192.168.1.10:9001"],
            ["localhost", "127.0.0.1", "192.168.1.10"],
            ["http://192.168.1.10:5000"],
        ],
        [
            "every address: this host is called by whatever it is called on its networks",
            { bindAddress: "0.0.0.0" },
            ["http://127.0.0.1:5000", "http://127.0.0.1:9000", "http://127.0.0.1:9001"],
            ["localhost", "127.0.0.1", ...privatePatterns],
            privatePatterns.map((pattern) => `http://${pattern}:5000`),
        ],
        [
            "TLS to MinIO",
            { storeTls: true, minioPort: 443 },
            ["http://127.0.0.1:5000", "https://127.0.0.1", "https://127.0.0.1:9001"],
            ["localhost", "127.0.0.1"],
            [],
        ],
        [
            "a gateway",
            { publicHost: "mlflow.example.com" },
            ["https://mlflow.example.com:5000", "https://mlflow.example.com:9000", "https://mlflow.example.com:9001"],
            ["mlflow.example.com", "localhost", "127.0.0.1"],
            ["https://mlflow.example.com:5000"],
        ],
        [
            "a gateway on one address, MLflow on the port of https",
            { publicHost: "mlflow.example.com", bindAddress: "192.168.1.10", mlflowPort: 443, minioPort: 80 },
            ["https://mlflow.example.com", "https://mlflow.example.com:80", "https://mlflow.example.com:9001"],
            ["mlflow.example.com", "localhost", "127.0.0.1", "192.168.1.10"],
            ["https://mlflow.example.com", "https://192.168.1.10"],
        ],
        [
            "a gateway on every address: it is called by its name",
            { publicHost: "mlflow.example.com", bindAddress: "0.0.0.0", storeTls: true },
            ["https://mlflow.example.com:5000", "https://mlflow.example.com:9000", "https://mlflow.example.com:9001"],
            ["mlflow.example.com", "localhost", "127.0.0.1"],
            ["https://mlflow.example.com:5000"],
        ],
        [
            "a gateway on one address, on ports of its own",
            { publicHost: "mlflow.example.com", bindAddress: "192.168.1.10", mlflowPort: 8443 },
            ["https://mlflow.example.com:8443", "https://mlflow.example.com:9000", "https://mlflow.example.com:9001"],
            ["mlflow.example.com", "localhost", "127.0.0.1", "192.168.1.10"],
            ["https://mlflow.example.com:8443", "https://192.168.1.10:8443"],
        ],
        [
            "a gateway that is called by its address",
            { publicHost: "192.168.1.10", bindAddress: "192.168.1.10" },
            ["https://192.168.1.10:5000", "https://192.168.1.10:9000", "https://192.168.1.10:9001"],
            ["192.168.1.10", "localhost", "127.0.0.1"],
            ["https://192.168.1.10:5000"],
        ],
        [
            "a gateway for this host alone",
            { publicHost: "localhost" },
            ["https://localhost:5000", "https://localhost:9000", "https://localhost:9001"],
            ["localhost", "127.0.0.1"],
            [],
        ],
    ])("are, with %s", (_words, more, [tracking, s3, console], hosts, origins) => {
        const { model, ...others } = addressesOf({ ...local, ...more });
        expect(others).toEqual({ tracking, s3, console, hosts, origins });
        expect(model).toBeTypeOf("function");
    });

    it.each<[string, Partial<Access>, number, string]>([
        ["nothing", {}, 5100, "http://127.0.0.1:5100"],
        ["the port of http", {}, 80, "http://127.0.0.1"],
        // It has no login, so it is published on loopback whatever the rest is published on.
        ["another loopback address", { bindAddress: "127.0.0.2" }, 5100, "http://127.0.0.1:5100"],
        ["every address", { bindAddress: "0.0.0.0" }, 5100, "http://127.0.0.1:5100"],
        ["TLS to MinIO", { storeTls: true }, 5100, "http://127.0.0.1:5100"],
        ["a gateway", { publicHost: "ml.example.com" }, 5100, "https://ml.example.com:5100"],
        ["a gateway, the port of https", { publicHost: "ml.example.com" }, 443, "https://ml.example.com"],
        [
            "a gateway on one address",
            { publicHost: "ml.example.com", bindAddress: "192.168.1.10" },
            5100,
            "https://ml.example.com:5100",
        ],
    ])("have one for a model server, with %s", (_words, more, port, url) => {
        expect(addressesOf({ ...local, ...more }).model(port)).toBe(url);
    });

    const port = fc.integer({ min: 1, max: 65535 });
    const access: fc.Arbitrary<Access> = fc.record({
        publicHost: fc.option(fc.oneof(fc.constantFrom("localhost", "ml", "10.0.0.5"), fc.domain()), {
            nil: undefined,
        }),
        bindAddress: fc.oneof(fc.constantFrom("0.0.0.0", "127.0.0.1"), fc.ipV4()),
        mlflowPort: port,
        minioPort: port,
        consolePort: port,
        storeTls: fc.boolean(),
    });

    it("are answered for: the host of each URL is among the names, on the port that is published", () => {
        fc.assert(
            fc.property(access, (some) => {
                const { tracking, s3, console, hosts } = addressesOf(some);
                for (const [text, published] of [
                    [tracking, some.mlflowPort],
                    [s3, some.minioPort],
                    [console, some.consolePort],
                ] as const) {
                    const url = new URL(text);
                    expect(text).toBe(url.origin);
                    expect(hosts).toContain(url.hostname);
                    expect(url.port === "" ? { "http:": 80, "https:": 443 }[url.protocol] : Number(url.port)).toBe(
                        published,
                    );
                    expect(url.protocol === "https:").toBe(
                        some.publicHost !== undefined ||
                            (some.storeTls && text !== tracking) ||
                            // Two that are published on one port are one text.
                            (some.storeTls && text === s3),
                    );
                }
            }),
        );
    });

    it("have an origin for each name but loopback's, the tracking server's among them", () => {
        fc.assert(
            fc.property(access, (some) => {
                const { tracking, hosts, origins } = addressesOf(some);
                const scheme = some.publicHost === undefined ? "http" : "https";
                const named = hosts.filter((host) => host !== "localhost" && host !== "127.0.0.1");
                expect(new Set(origins).size).toBe(named.length);
                expect(origins).toEqual(named.map((host) => expect.stringContaining(`${scheme}://${host}`) as string));
                expect(origins.includes(tracking)).toBe(named.includes(new URL(tracking).hostname));
                // As a browser sends them.
                for (const origin of origins.filter((text) => !text.includes("*"))) {
                    expect(new URL(origin).origin).toBe(origin);
                }
            }),
        );
    });

    it("are each once, and never every name", () => {
        fc.assert(
            fc.property(access, (some) => {
                const { hosts } = addressesOf(some);
                expect(new Set(hosts).size).toBe(hosts.length);
                expect(hosts).not.toContain("*");
                expect(hosts).not.toContain("0.0.0.0");
            }),
        );
    });
});

describe("the hosts that a server answers for", () => {
    it.each([
        [["localhost"], "localhost,localhost:*"],
        [["127.0.0.1", "mlflow"], "127.0.0.1,127.0.0.1:*,mlflow,mlflow:*"],
        [["10.*", "mlflow"], "10.*,mlflow,mlflow:*"],
        [[], ""],
    ])("are of %j: %s", (hosts, allowed) => {
        expect(allowedHosts(hosts)).toBe(allowed);
    });

    /** As MLflow matches a Host header: shell patterns where there is a star, the same text elsewhere. */
    const answers = (allowed: string, header: string) =>
        allowed.split(",").some((pattern) =>
            new RegExp(
                `^${pattern
                    .split("*")
                    .map((part) => part.replace(/[.\\]/g, "\\$&"))
                    .join(".*")}$`,
            ).test(header),
        );

    it("are those that are named, with any port or none, and no other", () => {
        const host = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/);
        fc.assert(
            fc.property(fc.uniqueArray(host, { minLength: 1, maxLength: 4 }), host, (hosts, other) => {
                const allowed = allowedHosts(hosts);
                for (const name of hosts) {
                    expect([answers(allowed, name), answers(allowed, `${name}:5000`)]).toEqual([true, true]);
                }
                expect(answers(allowed, other)).toBe(hosts.includes(other));
                expect(answers(allowed, `${other}.example.com`)).toBe(false);
            }),
        );
    });

    it.each([
        ["10.1.2.3:5000", true],
        ["192.168.0.7", true],
        ["172.16.0.1:5000", true],
        ["172.31.255.255", true],
        ["172.15.0.1", false],
        ["172.32.0.1", false],
        ["11.0.0.1", false],
        ["8.8.8.8:5000", false],
        ["example.com", false],
    ])("are, where every address is published, those of private networks: %s is %s", (header, known) => {
        expect(answers(allowedHosts(addressesOf({ ...local, bindAddress: "0.0.0.0" }).hosts), header)).toBe(known);
    });
});
