import fc from "fast-check";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import {
    type Hardened,
    type ProcessDescription,
    type SeedDescription,
    type ServiceDescription,
    cpuText,
    gatewayHosts,
    goDuration,
    hardenedJob,
    hardenedSeed,
    hardenedService,
    longestWait,
} from "../../components/hardened.ts";
import { valueOf } from "./support/recording.ts";

const process: ProcessDescription = {
    image: "mlflow-platform/thing:1",
    labels: { "z.label": "last", "a.label": pulumi.output("first") },
    owner: { uid: 1234, gid: 5678 },
    environment: { ZONE: "z", ADDRESS: pulumi.output("a") },
    mounts: [
        { source: "/srv/data", path: "/data" },
        { source: pulumi.output("a_volume"), path: "/run/secrets", readOnly: true },
    ],
    tmpfs: { "/tmp": "rw,size=64m" },
    network: { id: pulumi.output("network id"), aliases: ["thing", "other"] },
    memory: 512,
    cpus: 1,
};
const service: ServiceDescription = {
    ...process,
    ports: [
        { internal: 9001, external: 9999, address: "127.0.0.1" },
        { internal: 9000, external: 9000, address: "127.0.0.1" },
    ],
    health: { command: ["/usr/local/bin/healthy", "--now"], interval: 5, timeout: 90 },
    waitSeconds: 600,
    stopSeconds: 30,
};
const seed: SeedDescription = {
    image: "mlflow-platform/seed:1",
    labels: { "z.label": "last", "a.label": "first" },
    owner: { uid: 1234, gid: 5678 },
    mounts: [{ source: "a_volume", path: "/run/secrets" }],
    files: { "/run/secrets/z": "last", "/run/secrets/a": pulumi.secret("first") },
};

const kinds = ["service", "job", "seed"] as const;
type Kind = (typeof kinds)[number];
const made: Record<Kind, Hardened> = {
    service: hardenedService(service),
    job: hardenedJob(process),
    seed: hardenedSeed(seed),
};

/** Arguments with every output resolved. */
async function argsOf(hardened: Hardened): Promise<Record<string, unknown>> {
    return valueOf(pulumi.output(hardened.args) as unknown as pulumi.Output<Record<string, unknown>>);
}

/** What a process has, service or job. */
const common = {
    image: "mlflow-platform/thing:1",
    envs: ["ADDRESS=a", "ZONE=z"],
    labels: [
        { label: "a.label", value: "first" },
        { label: "z.label", value: "last" },
    ],
    user: "1234:5678",
    readOnly: true,
    tmpfs: { "/tmp": "rw,size=64m" },
    capabilities: { drops: ["ALL"], adds: [] },
    securityOpts: ["no-new-privileges"],
    init: true,
    memory: 512,
    memorySwap: 512,
    cpus: "1.0",
    volumes: [
        { hostPath: "/srv/data", containerPath: "/data", readOnly: false },
        { volumeName: "a_volume", containerPath: "/run/secrets", readOnly: true },
    ],
    networksAdvanced: [{ name: "network id", aliases: ["thing", "other"] }],
    logDriver: "json-file",
    logOpts: { "max-size": "10m", "max-file": "3" },
};

describe("exactly what each kind becomes", () => {
    it("a service", async () => {
        expect(await argsOf(made.service)).toStrictEqual({
            ...common,
            ports: [
                { internal: 9000, external: 9000, ip: "127.0.0.1" },
                { internal: 9001, external: 9999, ip: "127.0.0.1" },
            ],
            healthcheck: {
                tests: ["CMD", "/usr/local/bin/healthy", "--now"],
                interval: "5s",
                timeout: "1m30s",
                startPeriod: "2h0m0s",
                retries: 5,
            },
            wait: true,
            waitTimeout: 600,
            restart: "unless-stopped",
            destroyGraceSeconds: 30,
            stopTimeout: 30,
        });
    });

    it("a job", async () => {
        expect(await argsOf(made.job)).toStrictEqual({
            ...common,
            mustRun: false,
            attach: true,
            logs: true,
            restart: "no",
        });
    });

    it("a seed", async () => {
        expect(await argsOf(made.seed)).toStrictEqual({
            image: "mlflow-platform/seed:1",
            entrypoints: ["/never-started"],
            labels: common.labels,
            capabilities: { drops: ["ALL"], adds: [] },
            securityOpts: ["no-new-privileges"],
            networkMode: "none",
            start: false,
            mustRun: false,
            restart: "no",
            volumes: [{ volumeName: "a_volume", containerPath: "/run/secrets", readOnly: false }],
            uploads: [
                { file: "/run/secrets/a", content: "first", permissions: "0400", owner: "1234", group: "5678" },
                { file: "/run/secrets/z", content: "last", permissions: "0400", owner: "1234", group: "5678" },
            ],
            logDriver: "json-file",
            logOpts: { "max-size": "10m", "max-file": "3" },
        });
    });

    it.each(kinds)("the options of a %s", (kind) => {
        expect(made[kind].options).toStrictEqual({
            deleteBeforeReplace: true,
            replaceOnChanges: ["healthcheck", "tmpfs", "init", "#initerror"],
        });
    });
});

describe("the rules, and for whom they hold", () => {
    /** A rule: whether arguments keep it, and the kinds that must. The others are those that must not. */
    const rules: [string, (args: Record<string, unknown>) => boolean, readonly Kind[]][] = [
        [
            "runs as a numeric user that is not root",
            ({ user }) => /^[1-9]\d*:[1-9]\d*$/.test(String(user)),
            ["service", "job"],
        ],
        ["has a read-only root", ({ readOnly }) => readOnly === true, ["service", "job"]],
        [
            "has no capability",
            ({ capabilities }) => JSON.stringify(capabilities) === '{"drops":["ALL"],"adds":[]}',
            ["service", "job", "seed"],
        ],
        [
            "gains no privileges",
            ({ securityOpts }) => JSON.stringify(securityOpts) === '["no-new-privileges"]',
            ["service", "job", "seed"],
        ],
        ["is never privileged", ({ privileged }) => privileged === undefined, ["service", "job", "seed"]],
        ["has an init", ({ init }) => init === true, ["service", "job"]],
        ["has a memory limit", ({ memory }) => typeof memory === "number" && memory > 0, ["service", "job"]],
        ["has no swap", ({ memory, memorySwap }) => memory !== undefined && memory === memorySwap, ["service", "job"]],
        ["has a CPU limit", ({ cpus }) => typeof cpus === "string", ["service", "job"]],
        ["joins a network", ({ networksAdvanced }) => networksAdvanced !== undefined, ["service", "job"]],
        ["has no network", ({ networkMode }) => networkMode === "none", ["seed"]],
        ["publishes ports", ({ ports }) => ports !== undefined, ["service"]],
        ["has a health check", ({ healthcheck }) => healthcheck !== undefined, ["service"]],
        ["is waited for", ({ wait, waitTimeout }) => wait === true && waitTimeout === 600, ["service"]],
        ["restarts", ({ restart }) => restart === "unless-stopped", ["service"]],
        ["never restarts", ({ restart }) => restart === "no", ["job", "seed"]],
        [
            "has grace to stop by itself",
            ({ destroyGraceSeconds, stopTimeout }) => destroyGraceSeconds === 30 && stopTimeout === 30,
            ["service"],
        ],
        ["is waited for until it exits", ({ attach, logs }) => attach === true && logs === true, ["job"]],
        ["may have ended", ({ mustRun }) => mustRun === false, ["job", "seed"]],
        ["never starts", ({ start }) => start === false, ["seed"]],
        ["gets files", ({ uploads }) => uploads !== undefined, ["seed"]],
        // The provider cannot create such a container.
        ["is removed by the engine", ({ rm }) => rm === true, []],
        // The engine refuses the copy.
        ["is read-only and gets files", ({ readOnly, uploads }) => readOnly === true && uploads !== undefined, []],
        ["has rotated logs", ({ logOpts }) => JSON.stringify(logOpts) === '{"max-size":"10m","max-file":"3"}', kinds],
    ];

    it.each(rules)("%s", async (_rule, holds, forWhom) => {
        for (const kind of kinds) {
            expect([kind, holds(await argsOf(made[kind]))]).toEqual([kind, forWhom.includes(kind)]);
        }
    });
});

describe("what a description may add", () => {
    it.each([
        ["entrypoint", { entrypoint: ["/bin/one", "-x"] }, { entrypoints: ["/bin/one", "-x"] }],
        ["command", { command: ["a", pulumi.output("b")] }, { command: ["a", "b"] }],
        ["capabilities", { capabilities: ["CAP_CHOWN"] }, { capabilities: { drops: ["ALL"], adds: ["CAP_CHOWN"] } }],
        ["sharedMemory", { sharedMemory: 128 }, { shmSize: 128 }],
        [
            "hosts",
            { network: { ...process.network, hosts: [{ host: "db", ip: "10.0.0.5" }] } },
            { hosts: [{ host: "db", ip: "10.0.0.5" }] },
        ],
        [
            "further networks",
            {
                network: {
                    ...process.network,
                    others: [
                        { id: pulumi.output("second id"), aliases: ["thing"] },
                        { id: "third id", aliases: [] },
                    ],
                },
            },
            {
                networksAdvanced: [
                    { name: "network id", aliases: ["thing", "other"] },
                    { name: "second id", aliases: ["thing"] },
                    { name: "third id", aliases: [] },
                ],
            },
        ],
        ["no further networks, which is as if nothing were said", { network: { ...process.network, others: [] } }, {}],
        ["no hosts, which is as if nothing were said", { network: { ...process.network, hosts: [] } }, {}],
    ])("%s", async (_name, more, expected) => {
        expect(await argsOf(hardenedJob({ ...process, ...more }))).toStrictEqual({
            ...(await argsOf(made.job)),
            ...expected,
        });
    });
});

describe("the time that a service has to become healthy", () => {
    it.each([10, 90, 600, longestWait])(
        "is %d seconds for the update alone: a container is not replaced because an update waits longer",
        async (waitSeconds) => {
            expect(await argsOf(hardenedService({ ...service, waitSeconds }))).toStrictEqual({
                ...(await argsOf(made.service)),
                waitTimeout: waitSeconds,
            });
        },
    );

    it("is as long as any update may wait, for the engine", async () => {
        const { healthcheck } = await argsOf(made.service);
        expect((healthcheck as { startPeriod: string }).startPeriod).toBe(goDuration(longestWait));
        expect(longestWait).toBe(7200);
    });
});

describe("the engine's host", () => {
    const entry = { host: "host.docker.internal", ip: "host-gateway" };
    it.each<[string[], object[]]>([
        [[], []],
        [["postgres", "minio"], []],
        [["host.docker.internal"], [entry]],
        [["db.example.com", "host.docker.internal"], [entry]],
        [["host.docker.internal", "host.docker.internal"], [entry]],
        [["HOST.Docker.Internal", "postgres"], [entry]],
        [["host.docker.internal.example.com", "my-host.docker.internal"], []],
    ])("is known by name beside %j: %j", (hosts, entries) => {
        expect(gatewayHosts(hosts)).toEqual(entries);
    });
});

describe("mounts", () => {
    const volumes = async (source: pulumi.Input<string>) =>
        (await argsOf(hardenedJob({ ...process, mounts: [{ source, path: "/data" }] }))).volumes;

    it("an absolute path is a directory of the engine's host", async () => {
        expect(await volumes("/srv/minio")).toEqual([
            { hostPath: "/srv/minio", containerPath: "/data", readOnly: false },
        ]);
    });
    it("any other text is a volume's name", async () => {
        expect(await volumes("data")).toEqual([{ volumeName: "data", containerPath: "/data", readOnly: false }]);
    });
    it("what a resource gives is a volume's name", async () => {
        expect(await volumes(pulumi.output("data"))).toEqual([
            { volumeName: "data", containerPath: "/data", readOnly: false },
        ]);
    });
});

describe("secrets", () => {
    it("a file's content stays one, and the rest of the seed is none", async () => {
        const uploads = made.seed.args.uploads as { content: pulumi.Input<string>; file: string }[];
        const secret = await Promise.all(uploads.map(({ content }) => pulumi.isSecret(pulumi.output(content))));
        expect(uploads.map(({ file }, index) => [file, secret[index]])).toEqual([
            ["/run/secrets/a", true],
            ["/run/secrets/z", false],
        ]);
    });
});

describe("order", () => {
    const shuffled = <T>(record: Record<string, T>) =>
        fc
            .shuffledSubarray(Object.entries(record), { minLength: Object.keys(record).length })
            .map(Object.fromEntries<T>);

    it("of environment, labels, files and ports in the description makes no difference", async () => {
        const environment = { A: "1", B: "2", C: "3", AB: "4" };
        const labels = { a: "1", b: "2", "a.b": "3" };
        const files = { "/s/a": "1", "/s/b": "2", "/s/ab": "3" };
        const expected = [
            await argsOf(hardenedService({ ...service, environment, labels })),
            await argsOf(hardenedSeed({ ...seed, labels, files })),
        ];
        await fc.assert(
            fc.asyncProperty(
                shuffled(environment),
                shuffled(labels),
                shuffled(files),
                fc.shuffledSubarray([...service.ports], { minLength: 2 }),
                async (someEnvironment, someLabels, someFiles, ports) => {
                    expect([
                        await argsOf(
                            hardenedService({ ...service, environment: someEnvironment, labels: someLabels, ports }),
                        ),
                        await argsOf(hardenedSeed({ ...seed, labels: someLabels, files: someFiles })),
                    ]).toStrictEqual(expected);
                },
            ),
            { numRuns: 25 },
        );
    });
});

describe("goDuration", () => {
    it.each([
        [0, "0s"],
        [5, "5s"],
        [59, "59s"],
        [60, "1m0s"],
        [90, "1m30s"],
        [300, "5m0s"],
        [3599, "59m59s"],
        [3600, "1h0m0s"],
        [3661, "1h1m1s"],
        [7200, "2h0m0s"],
        [86400, "24h0m0s"],
    ])("%d seconds are %s", (seconds, text) => {
        expect(goDuration(seconds)).toBe(text);
    });

    it("is, for any whole number of seconds, that duration in Go's only spelling of it", () => {
        const unit = { h: 3600, m: 60, s: 1 };
        fc.assert(
            fc.property(fc.nat({ max: 1_000_000 }), (seconds) => {
                const text = goDuration(seconds);
                const parts = [...text.matchAll(/(\d+)([hms])/g)].map(([, number, letter]) => ({
                    number: Number(number),
                    digits: number ?? "",
                    letter: letter as keyof typeof unit,
                }));
                expect(parts.map(({ digits, letter }) => digits + letter).join("")).toBe(text);
                expect(parts.reduce((sum, { number, letter }) => sum + number * unit[letter], 0)).toBe(seconds);
                // From the largest unit that is not 0 down to seconds, none left out, none with a leading zero or too large.
                expect(parts.map(({ letter }) => letter).join("")).toBe("hms".slice(3 - parts.length));
                expect(parts[0]?.number === 0).toBe(seconds === 0);
                expect(parts.every(({ digits, number }) => digits === String(number))).toBe(true);
                expect(parts.every(({ number, letter }) => letter === "h" || number < 60)).toBe(true);
            }),
        );
    });
});

describe("cpuText", () => {
    it.each([
        [0.1, "0.1"],
        [0.25, "0.25"],
        [0.5, "0.5"],
        [1, "1.0"],
        [1.5, "1.5"],
        [2, "2.0"],
        [9, "9.0"],
        [9.9, "9.9"],
    ])("%d is %s", (cpus, text) => {
        expect(cpuText(cpus)).toBe(text);
    });

    it("keeps the number, always with a fraction, and with no digit more than needed", () => {
        fc.assert(
            fc.property(fc.integer({ min: 10, max: 999 }), (hundredths) => {
                const text = cpuText(hundredths / 100);
                expect(Math.round(Number(text) * 100)).toBe(hundredths);
                expect(text).toMatch(/^\d\.(0|\d?[1-9])$/);
            }),
        );
    });
});
