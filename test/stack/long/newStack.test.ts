import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { stacksIn } from "../../../operations/backend.ts";
import { placesOf } from "../../../operations/places.ts";
import { readSettings } from "../../../operations/stacks/stackFile.ts";
import { ending } from "../support/checkout.ts";
import { own } from "../support/own.ts";
import { freePorts } from "../support/platforms.ts";

const there = "there";
const { checkout } = await own((place) => place.ok("pulumi", ["stack", "init", there]));
const { directory } = checkout;
const name = `new-${randomBytes(2).toString("hex")}`;
const file = join(directory, `Pulumi.${name}.yaml`);
const scratch = mkdtempSync(join(tmpdir(), "mlflow-new-"));
const stacks = () => stacksIn(placesOf(checkout.env).backend);
const settings = () => readSettings(name, readFileSync(file, "utf8"));

let before: { files: string[]; stacks: string[] };
const now = () => ({ files: readdirSync(directory).sort(), stacks: stacks().sort() });

/** Without a terminal, as in a script; `input` is its standard input. */
async function refused(script: string, args: readonly string[], input = ""): Promise<string> {
    const { code, output } = await ending(checkout.spawn(script, args, {}, input));
    expect(code).toBe(1);
    expect(now()).toEqual(before);
    return output;
}

beforeAll(() => {
    before = now();
});
afterEach(async () => {
    if (existsSync(file)) {
        await checkout.pulumi(name, "stack", "rm", "--yes", "--preserve-config");
        rmSync(file);
    }
});
afterAll(() => {
    rmSync(scratch, { recursive: true });
});

describe("npm run new-stack without a question", () => {
    it("makes a stack for a laptop, with ports that nobody has, which can be planned at once", async () => {
        const output = await checkout.ok("new-stack", [name, "--for", "laptop", "--no-login"]);
        expect(output).toContain(`npm start -- --stack ${name}`);
        const { plain, secure } = settings();
        expect(plain).toMatchObject({ bindAddress: "127.0.0.1", mlflowAuth: "false" });
        expect(secure).toEqual([]);
        for (const port of [5000, 5443, 443]) {
            // Of dev, staging and production.
            expect(plain.mlflowPort).not.toBe(String(port));
        }
        expect(stacks()).toContain(name);
        expect(Object.values(await checkout.plan(name, {}))).toContain("create");
    });

    it("makes one for a team from the example for staging", async () => {
        await checkout.ok("new-stack", [name, "--from", "staging", "--public-host", "team.example.com"]);
        const staging = readSettings("staging", checkout.read("Pulumi.staging.yaml")).plain;
        const { plain } = settings();
        expect(plain).toMatchObject({ ...staging, ...plain, publicHost: "team.example.com" });
        expect(plain.pgMemory).toBe(staging.pgMemory);
        expect(plain.mlflowPort).not.toBe(staging.mlflowPort);
        expect(await checkout.plan(name, {})).toMatchObject({ "Container gateway": "create" });
    });

    it("makes one from the example for production, with secrets from a file and from standard input", async () => {
        const [mlflow = 0, s3 = 0, console = 0] = await freePorts(3);
        const owner = join(scratch, "owner");
        const auth = join(scratch, "auth");
        writeFileSync(owner, "owner $ecret\n");
        writeFileSync(auth, "auth $ecret");
        const args = [
            ...[name, "--from", "production", "--certificate", "own", "--bind-address", "127.0.0.1"],
            ...["--set", "gatewayHttpPort=", "--ports", `${mlflow},${s3},${console}`],
            ...["--secret-file", "pgPassword=-", "--secret-file", `pgOwnerPassword=${owner}`],
        ];
        const missing = await refused("new-stack", args, "server $ecret\n");
        expect(missing).toContain("--secret-file pgAuthPassword=FILE");
        const { code, output } = await ending(
            checkout.spawn("new-stack", [...args, "--secret-file", `pgAuthPassword=${auth}`], {}, "server $ecret\n"),
        );
        expect(output).toContain(`Stack ${name} is made`);
        expect(code).toBe(0);
        expect(output).not.toContain("$ecret");
        expect(settings().secure).toEqual(["pgPassword", "pgOwnerPassword", "pgAuthPassword"]);
        for (const [key, value] of [
            ["pgPassword", "server $ecret"],
            ["pgOwnerPassword", "owner $ecret"],
            ["pgAuthPassword", "auth $ecret"],
        ] as const) {
            expect(await checkout.printed("pulumi", "config", "get", key, "--stack", name)).toBe(value);
        }
        const plan = await checkout.plan(name, {});
        expect(plan).not.toHaveProperty("Container postgres");
        expect(plan).toHaveProperty("Container gateway");
    });
});

describe("npm run new-stack leaves nothing behind when it refuses", () => {
    it("what is missing, by the option's name", async () => {
        const [nothing, team] = await Promise.all([
            refused("new-stack", [name]),
            refused("new-stack", [name, "--for", "team"]),
        ]);
        expect(nothing).toContain("--for laptop|team");
        expect(team).toContain("--public-host");
    });

    it("a stack or a file that is there", async () => {
        const [known, staging] = await Promise.all([
            refused("new-stack", [there, "--yes"]),
            refused("new-stack", ["staging", "--yes"]),
        ]);
        expect(known).toContain("There is a stack");
        expect(staging).toContain("There is a file Pulumi.staging.yaml already");
    });

    it("a configuration with problems, all at once, a port that is taken too", async () => {
        const server = createServer();
        await new Promise<void>((resolve) => {
            server.listen(0, "127.0.0.1", resolve);
        });
        const address = server.address();
        const port = typeof address === "object" && address !== null ? address.port : 0;
        const [s3 = 0, console = 0] = await freePorts(2);
        try {
            const args = [name, "--for", "laptop", "--ports", `${port},${s3},${console}`];
            const output = await refused("new-stack", [
                ...args,
                "--set",
                "mlflowBucketName=No",
                "--set",
                "mlflowprt=1",
            ]);
            expect(output).toContain(`mlflowPort: port ${port} on 127.0.0.1 is in use by another program`);
            expect(output).toContain('mlflowBucketName: "No"');
            expect(output).toContain("did you mean mlflowPort?");
        } finally {
            server.close();
        }
    });

    it("a secret among the arguments", async () => {
        expect(await refused("new-stack", [name, "--yes", "--set", "pgPassword=seen"])).toContain(
            "pgPassword is secret",
        );
    });

    it("a failure half-way: an encryption that does not work", async () => {
        const secret = join(scratch, "secret");
        writeFileSync(secret, "long enough a password\n");
        // A passphrase that Pulumi cannot read.
        const { code } = await checkout.run(
            "new-stack",
            [name, "--for", "laptop", "--secret-file", `adminPassword=${secret}`],
            { PULUMI_CONFIG_PASSPHRASE_FILE: scratch },
        );
        expect(code).not.toBe(0);
        expect(now()).toEqual(before);
    });
});

describe("npm run import-env", () => {
    const env = (text: string) => {
        const path = join(scratch, `${randomBytes(4).toString("hex")}.env`);
        writeFileSync(path, text);
        return path;
    };

    it("makes nothing by --dry-run, from a file that is wrong, or from none", async () => {
        const args = ["--stack", name];
        const refusedFile = (path: string, ...more: string[]) => refused("import-env", [path, ...args, ...more]);
        const [dry, output, weak, missing, needed] = await Promise.all([
            checkout.ok("import-env", [env("MLFLOW_PORT=15999\n"), ...args, "--dry-run"]),
            refusedFile(env("MLFLOW_PORT=x\nPG_PASSWORD='p\n")),
            refusedFile(env("MINIO_ROOT_USER=root\nMINIO_ROOT_PASSWORD=short\n")),
            refusedFile(join(scratch, "none")),
            refusedFile(env("PG_HOST=db.example.com\n"), "--keep-database"),
        ]);
        expect(dry).toContain("Nothing was changed (--dry-run)");
        expect(now()).toEqual(before);
        expect(output).toContain("MLFLOW_PORT: is not a port");
        expect(output).toContain("line 2: PG_PASSWORD begins with a quote that is never closed");
        expect(weak).toContain("MINIO_ROOT_PASSWORD: has 5 characters: MinIO needs at least 8");
        expect(missing).toContain("cannot be read (ENOENT)");
        expect(needed).toContain("PG_PASSWORD (pgPassword): is needed with pgHost");
    });

    it("makes the stack, and says what has to be done before it is started", async () => {
        const server = createServer();
        await new Promise<void>((resolve) => {
            server.listen(0, "127.0.0.1", resolve);
        });
        const address = server.address();
        const port = typeof address === "object" && address !== null ? address.port : 0;
        try {
            const path = env(`MLFLOW_PORT=${port}\nPG_PASSWORD='se$cret'\nPG_USER=one\nPG_USER=two\n`);
            const output = await checkout.ok("import-env", [path, "--stack", name]);
            expect(output).toContain(`mlflowPort: port ${port} on 127.0.0.1 is in use by another program`);
            expect(output).toContain("PG_USER stands there more than once");
            expect(output).not.toContain("se$cret");
            expect(settings()).toMatchObject({
                plain: { mlflowPort: String(port), pgUser: "two" },
                secure: ["pgPassword"],
            });
            expect(await checkout.printed("pulumi", "config", "get", "pgPassword", "--stack", name)).toBe("se$cret");
        } finally {
            server.close();
        }
    });
});
