import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type Server, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { resourcesOf } from "../../../operations/engineObjects.ts";
import { Checkout } from "../support/checkout.ts";
import { dockerLines, identities } from "../support/engine.ts";

const platform = inject("generated");
const { stack } = platform;
const checkout = Checkout.at(platform.directory, platform.stateHome);

const directory = mkdtempSync(join(tmpdir(), "refusals-"));
const at = (name: string) => join(directory, name);

/** Values that a stack could be given, and exactly what is said of them. */
interface Row {
    readonly values: Readonly<Record<string, string>>;
    readonly problems: readonly string[];
}
const one = (key: string, value: string, problem: string): Row => ({
    values: { [key]: value },
    problems: [`${key}: ${problem}`],
});

const external = (host: string, problem: string): Row => ({
    values: { pgHost: host, pgPassword: "enough" },
    problems: [`pgHost: ${problem}`],
});

const bucket = "set 3 to 63 lower-case letters, digits, dots and hyphens, such as mlflow";
const stays = "would stay there, out of its sight";
const own = "in the MinIO that runs here (the stack's own volume minio_data)";

let server: Server;
let taken: number;
beforeAll(async () => {
    server = createServer();
    await new Promise<void>((resolve) => {
        server.listen(0, "127.0.0.1", resolve);
    });
    const address = server.address();
    taken = typeof address === "object" && address !== null ? address.port : 0;
    writeFileSync(at("file"), "no directory, and no certificate");
    // Of root, as sudo mkdir would leave it.
    mkdirSync(at("roots"), { mode: 0o755 });
});
afterAll(() => {
    server.close();
    rmSync(directory, { recursive: true });
});

/** A changed bucket is refused on a stack that has one, whatever else is wrong with the others. */
const bucketRow = (name: string, problem: string) => one("mlflowBucketName", name, problem);

const rows = (): Row[] => [
    one("mlflowPort", "65536", '"65536" is not a whole number from 1 to 65535'),
    one("minioPort", "0", '"0" is not a whole number from 1 to 65535'),
    one("mlflowPort", "http", '"http" is not a whole number from 1 to 65535'),
    {
        values: { mlflowPort: "5997", minioPort: "5997" },
        problems: ["minioPort: port 5997 is also that of mlflowPort: set two different ports"],
    },
    one(
        "mlflowPort",
        String(taken),
        `port ${taken} on 127.0.0.1 is in use by another program: end it, or pulumi config set mlflowPort <port>`,
    ),
    one("minioConsoleAddress", "9001", '"9001" is not an address with a port: set one such as :9001'),
    {
        // On an address of its own: somebody may have that port on the usual one.
        values: { minioConsoleAddress: ":9000", bindAddress: "127.0.0.77" },
        problems: ["minioConsoleAddress: port 9000 is MinIO's S3 port on the stack's network: set another one"],
    },
    {
        values: { minioConsoleAddress: ":5996", minioPort: "5996" },
        problems: ["minioConsoleAddress: port 5996 is also that of minioPort: set two different ports"],
    },
    bucketRow("ab", `"ab" has 2 characters: ${bucket}`),
    bucketRow("b".repeat(64), `"${"b".repeat(64)}" has 64 characters: ${bucket}`),
    bucketRow("MLflow", `"MLflow" contains other characters than those allowed: ${bucket}`),
    bucketRow("-mlflow", `"-mlflow" does not begin and end with a letter or digit: ${bucket}`),
    bucketRow("ml..flow", `"ml..flow" has a dot beside a dot or hyphen: ${bucket}`),
    bucketRow("192.168.5.4", `"192.168.5.4" looks like an IP address: ${bucket}`),
    bucketRow("xn--mlflow", '"xn--mlflow" uses "xn--", which S3 reserves: set another name'),
    bucketRow("mlflow-s3alias", '"mlflow-s3alias" uses "-s3alias", which S3 reserves: set another name'),
    {
        values: { pgHost: "db.example.com", pgOwnerUser: "chief" },
        problems: [
            "pgPassword: is needed with pgHost: pulumi config set --secret pgPassword",
            "pgOwnerPassword: is needed with pgHost and pgOwnerUser: pulumi config set --secret pgOwnerPassword, or pulumi " +
                "config rm pgOwnerUser and pgUser migrates as well",
            `pgHost: this stack's experiments are in the PostgreSQL that runs here and ${stays}: pulumi config rm pgHost, or ` +
                `use another stack for other data (npm run delete-data -- ${stack} first, where nothing of it is needed)`,
        ],
    },
    external(
        "localhost",
        "\"localhost\" is a container's own address inside that container: set host.docker.internal for the engine's host",
    ),
    external(
        "postgresql://db",
        '"postgresql://db" is not a host\'s name or address: set one such as db.example.com, without a scheme; the port is pgPort',
    ),
    {
        values: { minioHost: "s3.example.com", minioCaFile: at("file") },
        problems: [
            `minioCaFile: "${at("file")}" holds no certificate: set a PEM file, with -----BEGIN CERTIFICATE-----`,
            "minioAccessKey: is needed with minioHost: pulumi config set minioAccessKey",
            "minioSecretAccessKey: is needed with minioHost: pulumi config set --secret minioSecretAccessKey",
            "minioCaFile: there is no certificate to check without TLS: set minioStorageUseHttps true",
            // Which this stack has set.
            "minioConsoleAddress: is for the MinIO that runs here, and minioHost names another: pulumi config rm " +
                "minioConsoleAddress",
            `minioHost: this stack's artifacts are ${own} and ${stays}: pulumi config rm minioHost, or ` +
                `use another stack for other data (npm run delete-data -- ${stack} first, where nothing of it is needed)`,
        ],
    },
    one("pgSslMode", "verify-full", "is for a PostgreSQL that is not ours: pulumi config rm pgSslMode, or set pgHost"),
    one("minioRootPassword", "short", "has 5 characters: MinIO needs at least 8"),
    one("pgPassword", "with\tcontrol", "contains a control character: use printable characters only"),
    one("minioSecretAccessKey", " begins with a blank", "begins or ends with a blank: remove it"),
    one(
        "minioVolumePath",
        "data",
        '"data" is not an absolute path of a directory, without colons: set one such as /srv/minio, or minioVolumeName for ' +
            "a named volume",
    ),
    ...(
        [
            [at("file"), `"${at("file")}" is not a directory: set one, such as /srv/minio`],
            [at("none"), `"${at("none")}" is not there: sudo install -d -o 1000 -g 1000 -m 0700 ${at("none")}`],
            [
                at("roots"),
                `"${at("roots")}" cannot be written by uid 1000, as which MinIO runs; it belongs to uid 0: sudo chown -R ` +
                    `1000:1000 ${at("roots")} && sudo chmod u+rwx ${at("roots")}`,
            ],
        ] as const
    ).map(([path, problem]) => ({
        values: { minioVolumePath: path },
        problems: [
            `minioVolumePath: this stack's artifacts are in the stack's own volume minio_data and ${stays}: pulumi config rm ` +
                `minioVolumePath, or use another stack for other data (npm run delete-data -- ${stack} first, where nothing ` +
                "of it is needed)",
            `minioVolumePath: ${problem}`,
        ],
    })),
    one("mlflowMemory", "100", '"100" is not a whole number from 768 to 1048576'),
    {
        values: { mlflowWorkers: "8" },
        problems: ["mlflowMemory: 2048 MiB is too little for 8 workers: set at least 2700, or fewer mlflowWorkers"],
    },
    one("mlflowCpus", "many", '"many" is not a number of CPUs from 0.1 to 9.9, such as 1.5'),
    one("minioStorageUseHttps", "yes", '"yes" is neither true nor false'),
    one(
        "egress",
        "false",
        "false is not supported in this version: a network that lets nothing out cannot publish the tracking server's port; " +
            "set true, and limit what goes out by the host's firewall",
    ),
    one(
        "postgresImage",
        "My Image",
        '"My Image" is not an image reference: set one such as registry.example.com/mlflow:3.17.2',
    ),
    one("mlflowprt", "1", "there is no such key: did you mean mlflowPort? (pulumi config rm mlflowprt)"),
    one(
        "bindAddress",
        "0.0.0.0",
        "0.0.0.0 lets other machines in, and everybody who reaches it could read or take over what is here: set login " +
            "(mlflowAuth true) and TLS (publicHost), or 127.0.0.1 and reach it by an SSH tunnel; allowInsecureExposure true " +
            "lets it be so all the same",
    ),
    one("adminPassword", "too short", "has 9 characters: MLflow needs at least 12"),
    one("adminUsername", "a:b", '"a:b" is not of 1 to 255 ASCII characters without a colon: set another name'),
    one("artifactTransfer", "direct", '"direct" is not one of proxied, presigned'),
    one(
        "tlsEmail",
        "it@example.com",
        "is for the gateway, which runs with publicHost: set that, or pulumi config rm tlsEmail",
    ),
    one("pgUser", "postgres", '"postgres" is taken by PostgreSQL or this platform: set another name'),
];

/** Rows that can be told of in one preview: none names a key of another one's. */
function rounds(all: readonly Row[]): Row[][] {
    const keysOf = ({ values, problems }: Row) =>
        new Set([...Object.keys(values), ...problems.map((problem) => problem.split(":")[0] ?? "")]);
    // Ports are compared with each other, and what is outside replaces what is here: such rows have a round of their own.
    const alone = ({ values }: Row) => Object.keys(values).some((key) => /Host$|Port$|Console/.test(key));
    const packed: Row[][] = [];
    for (const row of all) {
        const keys = keysOf(row);
        const fits = packed.find(
            (round) =>
                !alone(row) && !round.some((other) => alone(other) || [...keysOf(other)].some((key) => keys.has(key))),
        );
        if (fits === undefined) {
            packed.push([row]);
        } else {
            fits.push(row);
        }
    }
    return packed;
}

/** Everything that could have been touched. */
async function everything() {
    const labelled = ["--filter", `label=mlflow-platform.stack=${stack}`];
    return {
        containers: await identities(stack),
        volumes: await dockerLines("volume", "ls", ...labelled, "--format", "{{.Name}}"),
        networks: await dockerLines("network", "ls", "--no-trunc", ...labelled, "--format", "{{.ID}}"),
        state: resourcesOf(await checkout.state(stack, true)),
    };
}

it("bad configuration is refused by preview, all of it at once and word for word, and nothing is touched", async () => {
    const before = await everything();
    const all = rows();
    const told = rounds(all);
    expect(told.flat().length).toBe(all.length);
    for (const round of told) {
        const values = Object.fromEntries(round.flatMap((row) => Object.entries(row.values)));
        const { code, output } = await checkout.configured(stack, values, () => checkout.cli(stack, ["preview"]));
        expect(code).not.toBe(0);
        // The error's lines, as they stand between its last heading and the list of resources.
        const [text = ""] =
            output
                .split(/has (?:a problem|\d+ problems):\n/)
                .at(-1)
                ?.split(/\n\s*\n/) ?? [];
        const problems = text.split("\n").map((line) => line.trim());
        expect(problems.sort()).toEqual(round.flatMap((row) => row.problems).sort());
    }
    expect(await everything()).toEqual(before);
});

it("a secret in plain text is refused without being repeated", async () => {
    const before = checkout.read(`Pulumi.${stack}.yaml`);
    try {
        await checkout.pulumi(stack, "config", "set", "--plaintext", "pgPassword", "hunter2-in-sight");
        const { code, output } = await checkout.cli(stack, ["preview"]);
        expect(code).not.toBe(0);
        expect(output).toContain(
            "pgPassword: is a secret but stands in plain text in the stack's file: pulumi config set --secret pgPassword",
        );
        expect(output).not.toContain("hunter2-in-sight");
    } finally {
        writeFileSync(join(checkout.directory, `Pulumi.${stack}.yaml`), before);
    }
});

it("a stack name that would make names too long", async () => {
    const name = `s${randomBytes(20).toString("hex")}`.slice(0, 40);
    await checkout.pulumi(name, "stack", "init");
    try {
        const { code, output } = await checkout.cli(name, ["preview"]);
        expect(code).not.toBe(0);
        expect(output).toContain(
            `stack name: "${name}" has 40 characters, and its containers' names would be too long for DNS: use one of at ` +
                "most 38 (pulumi stack rename)",
        );
    } finally {
        await checkout.pulumi(name, "stack", "rm", "--yes");
    }
});
