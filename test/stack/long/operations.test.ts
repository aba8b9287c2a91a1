/** Day-to-day commands on real stacks: how a stack is, its logs, what the doctor finds of faults that are caused here, and errors. */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Finding } from "../../../operations/doctor/finding.ts";
import { inOrder, parseLine } from "../../../operations/status/logs.ts";
import type { StackStatus } from "../../../operations/status/stackStatus.ts";
import { givenCertificate } from "../../unit/support/certificates.ts";
import { ending } from "../support/checkout.ts";
import { container, docker, dockerLines, healthy, identities } from "../support/engine.ts";
import { own } from "../support/own.ts";
import { initStack, makeGenerated, makePlanted, minioDataOf, plantedSecrets } from "../support/platforms.ts";
import { mlflowVersion, python } from "../support/python.ts";
import { eventually } from "../support/served.ts";

const {
    checkout,
    made: [platform, planted],
} = await own(async (place) => [await makeGenerated(place), await makePlanted(place)] as const);
const { stack } = platform;
const state = join(platform.stateHome, "mlflow-platform");
const locks = join(state, "backend/.pulumi/locks/organization/mlflow-platform", stack);

/** A stack that is configured and was never brought up. */
const empty = `empty-${randomBytes(2).toString("hex")}`;
let emptyPorts: { mlflow: number };
beforeAll(async () => {
    emptyPorts = await initStack(checkout, empty);
});
afterAll(async () => {
    await checkout.ok("delete-data", [empty]);
});

/** Standard output alone, and how the command ended. */
async function run(script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const { stdout, stderr, exitCode } = await execa("npm", ["run", "--silent", script, "--", ...args], {
        cwd: checkout.directory,
        env: { ...checkout.env, ...env },
        extendEnv: false,
        reject: false,
    });
    return { stdout, stderr, code: exitCode };
}

async function statusOf(name: string): Promise<StackStatus & { code: number | undefined }> {
    const { stdout, code } = await run("status", ["--json", "--stack", name]);
    return { ...(JSON.parse(stdout) as StackStatus), code };
}

async function doctor(name: string, env: NodeJS.ProcessEnv = {}) {
    const { stdout, code } = await run("doctor", ["--json", "--stack", name], env);
    const { findings, healthy: well } = JSON.parse(stdout) as { findings: Finding[]; healthy: boolean };
    expect(code).toBe(well ? 0 : 1);
    return findings;
}

/** Expects a finding with a cure. */
function expectFound(findings: readonly Finding[], wanted: Partial<Record<keyof Finding, RegExp | string>>): void {
    const matchers = Object.entries(wanted).map(([key, value]) => [
        key,
        value instanceof RegExp ? (expect.stringMatching(value) as unknown) : value,
    ]);
    expect(findings).toContainEqual(expect.objectContaining(Object.fromEntries(matchers)));
}

/** Puts a lock into the stack's backend while `act` runs. */
async function locked(lock: { pid: number; hostname: string }, act: () => Promise<void>): Promise<void> {
    const file = join(locks, "11111111-2222-3333-4444-555555555555.json");
    mkdirSync(locks, { recursive: true });
    writeFileSync(file, JSON.stringify({ ...lock, username: "ana", timestamp: "2026-01-31T12:00:00Z" }));
    try {
        await act();
    } finally {
        rmSync(file, { force: true });
    }
}

/** A process id that was somebody's and is nobody's now. */
const gone = () => spawnSync(process.execPath, ["--version"]).pid;

describe("npm run status", () => {
    it.concurrent("of a stack that is well says all of it, and ends with 0", async () => {
        const status = await statusOf(stack);
        expect(status).toMatchObject({ stack, state: "healthy", code: 0 });
        const { services } = status;
        expect(services.map(({ name }) => name)).toEqual(["minio", "mlflow", "postgres"]);
        for (const { state: current, health, since, memoryUsed, memoryLimit, image, version } of services) {
            expect({ current, health }).toEqual({ current: "running", health: "healthy" });
            expect(Date.parse(since ?? "")).toBeLessThan(Date.now());
            expect(memoryUsed ?? 0).toBeGreaterThan(2 ** 20);
            expect(memoryUsed ?? 0).toBeLessThan(memoryLimit ?? 0);
            expect(image).toMatch(/^mlflow-platform\//);
            expect(version).toMatch(/\d/);
        }
        expect(services.find(({ name }) => name === "mlflow")).toMatchObject({
            version: mlflowVersion,
            published: [`127.0.0.1:${platform.ports.mlflow}`],
            memoryLimit: (await container(stack, "mlflow")).HostConfig.Memory,
        });
        expect(status.jobs.map(({ name, state: ended, exitCode }) => [name, ended, exitCode])).toEqual([
            ["minio-provision", "succeeded", 0],
            ["mlflow-migrate", "succeeded", 0],
        ]);
        expect(status.addresses).toContainEqual({ name: "MLflow", url: platform.trackingUri });
        const postgres = status.volumes.find(({ name }) => name.endsWith("-postgres_data"));
        expect(postgres?.size ?? 0).toBeGreaterThan(2 ** 20);
        expect(status.disks).toMatchObject([{ what: "engine" }]);
        expect(status.disks[0]?.free).toBeGreaterThan(0);
    });

    it.concurrent("has the disk of minioVolumePath, and no secret, in tables or JSON", async () => {
        const texts = await Promise.all([
            run("status", ["--stack", planted.stack]),
            run("status", ["--stack", planted.stack, "--json"]),
            run("doctor", ["--stack", planted.stack, "--json"]),
        ]);
        expect(texts.map(({ code }) => code)).toEqual([0, 0, 0]);
        const { disks } = JSON.parse(texts[1].stdout) as StackStatus;
        expect(disks.map(({ what, path }) => [what, path])).toContainEqual(["minioVolumePath", minioDataOf(platform)]);
        for (const secret of Object.values(plantedSecrets)) {
            for (const { stdout, stderr } of texts) {
                expect(stdout + stderr).not.toContain(secret);
            }
        }
        for (const line of texts[0].stdout.split("\n")) {
            expect(line).not.toMatch(/[│─]/);
        }
    });

    it.concurrent("--all has a line for each stack of the backend, and ends with 1 where one is not up", async () => {
        const { stdout, code } = await run("status", ["--all"]);
        const lines = stdout.split("\n").map((line) => line.split(/ {2,}/));
        expect(lines).toContainEqual([stack, "healthy", "3 of 3 healthy", platform.trackingUri]);
        expect(lines).toContainEqual([planted.stack, "healthy", "3 of 3 healthy", planted.trackingUri]);
        expect(lines.find(([name]) => name === empty)?.slice(0, 2)).toEqual([empty, "stopped"]);
        expect(code).toBe(1);
    });

    it.concurrent("of a stack that is not up says so, and how to bring it up", async () => {
        const { stdout, code } = await run("status", ["--stack", empty]);
        expect(code).toBe(1);
        expect(stdout).toContain(`Stack ${empty}: stopped`);
        expect(stdout).toContain(`npm start -- --stack ${empty} brings it up.`);
    });

    it("works while an update is under way, and says whose; the commands that change something are refused", async () => {
        await locked({ pid: process.pid, hostname: hostname() }, async () => {
            const { problems, state: current } = await statusOf(stack);
            expect(current).toBe("healthy");
            expect(problems).toMatchObject([
                {
                    level: "warn",
                    what: expect.stringContaining(`process ${process.pid} of ana on this host`) as string,
                },
            ]);
            const { code, output } = await checkout.run("stop", ["--stack", stack]);
            expect(code).toBe(1);
            expect(output).toContain(
                `Another update of stack ${stack} is under way: process ${process.pid} of ana on this host, since 2026-01-31T12:00:00Z.`,
            );
            expect(output).toContain(`npm run pulumi -- cancel --stack ${stack}`);
        });
        await locked({ pid: gone(), hostname: "another-host" }, async () => {
            const { code, output } = await checkout.run("up", ["--stack", stack]);
            expect(code).toBe(1);
            expect(output).toContain("of ana on another-host, since ");
            expect(output).toContain("from this host nobody can see whether it still runs");
        });
    });
});

describe.concurrent("npm run logs", () => {
    it("has the lines of both streams of several containers, each with its name, in order of time", async () => {
        const jobs = ["minio-provision", "mlflow-migrate"];
        const { stdout, code } = await run("logs", [...jobs, "--stack", stack]);
        const lines = await Promise.all(
            jobs.map(async (job) => {
                const { all } = await execa("docker", ["logs", "--timestamps", `mlflow-platform-${stack}-${job}`], {
                    all: true,
                });
                return all.split("\n").flatMap((line) => parseLine(job, line) ?? []);
            }),
        );
        expect(code).toBe(0);
        expect(lines.every((some) => some.length > 0)).toBe(true);
        expect(stdout.split("\n").map((line) => line.trimEnd())).toEqual(
            inOrder(lines.flat()).map(({ service, text }) => `${service.padEnd(15)} | ${text}`.trimEnd()),
        );
    });

    it("--tail takes the last lines of each, and --since what is young enough", async () => {
        const { stdout } = await run("logs", ["--tail", "2", "--stack", stack]);
        const count = (name: string) => stdout.split("\n").filter((line) => line.startsWith(`${name} `)).length;
        expect([count("mlflow"), count("postgres"), count("minio")]).toEqual([2, 2, 2]);
        expect(count("minio-secrets-seed")).toBe(0);
        expect((await run("logs", ["mlflow-migrate", "--since", "1s", "--stack", stack])).stdout).toBe("");
    });

    it("--follow goes on with what comes, and Ctrl-C is its regular end", async () => {
        // Without npm, whose shell ends by the signal itself.
        const command = ["operations/bootstrap.mjs", "logs", "mlflow", "minio"];
        const following = spawn(process.execPath, [...command, "--follow", "--tail", "1", "--stack", stack], {
            cwd: checkout.directory,
            env: checkout.env,
            detached: true,
        });
        const end = ending(following);
        let seen = "";
        following.stdout.on("data", (data: Buffer) => {
            seen += data.toString();
        });
        await eventually(
            () => Promise.resolve(seen),
            (text) => text.includes("mlflow"),
        );
        const path = `/unknown-${randomBytes(4).toString("hex")}`;
        await fetch(platform.trackingUri + path);
        await eventually(
            () => Promise.resolve(seen),
            (text) => text.includes(path),
        );
        process.kill(-(following.pid ?? 0), "SIGINT");
        const { code, output } = await end;
        expect(code).toBe(0);
        expect(output).not.toContain("Interrupted");
        expect(output.split("\n").filter((line) => line.includes(path))).toHaveLength(1);
    });

    it("names the services that there are where one is unknown, and says where a stack is not up", async () => {
        const unknown = await run("logs", ["mlflo", "--stack", stack]);
        expect(unknown.code).toBe(1);
        expect(unknown.stderr).toContain("There is no mlflo in this stack. Did you mean mlflow?");
        expect(unknown.stderr).toContain("There are: minio, minio-provision, mlflow, mlflow-migrate, postgres.");
        expect((await run("logs", ["--stack", empty])).stderr).toContain(
            `Stack ${empty} is not up, so it has no logs.`,
        );
    });
});

describe.concurrent("npm run client-env", () => {
    it("writes a .env file for its user alone that python-dotenv reads, and does not write over another's", async () => {
        const directory = mkdtempSync(join(tmpdir(), "client-"));
        try {
            const out = join(directory, "with space", ".env");
            mkdirSync(join(directory, "with space"));
            const args = ["--format", "dotenv", "--out", out, "--stack", stack];
            expect((await run("client-env", args)).code).toBe(0);
            expect(statSync(out).mode & 0o777).toBe(0o600);
            const script = "import dotenv, json, sys; print(json.dumps(dotenv.dotenv_values(sys.argv[1])))";
            const { stdout } = await execa(await python(), ["-c", script, out]);
            expect(JSON.parse(stdout)).toEqual({ MLFLOW_TRACKING_URI: platform.trackingUri });
            expect((await run("client-env", args)).code).toBe(0);
            writeFileSync(out, "MINE=1\n");
            const refused = await run("client-env", args);
            expect([refused.code, readFileSync(out, "utf8")]).toEqual([1, "MINE=1\n"]);
            expect(refused.stderr).toContain("--force");
            expect((await run("client-env", [...args, "--force"])).code).toBe(0);
        } finally {
            rmSync(directory, { recursive: true });
        }
    });

    it("prints JSON, and by default the shell's lines", async () => {
        const [json, shell] = await Promise.all([
            run("client-env", ["--format", "json", "--stack", stack]),
            run("client-env", ["--stack", stack]),
        ]);
        expect(JSON.parse(json.stdout)).toEqual({ MLFLOW_TRACKING_URI: platform.trackingUri });
        expect(shell.stdout).toBe(`export MLFLOW_TRACKING_URI=${platform.trackingUri}`);
    });
});

describe("npm run doctor", () => {
    it.concurrent("finds no fault in a stack that is well, and changes nothing", async () => {
        const before = [await identities(stack), await checkout.state(stack), checkout.read(`Pulumi.${stack}.yaml`)];
        const findings = await doctor(stack);
        expect(findings.filter(({ level }) => level === "fault")).toEqual([]);
        const checks = ["engine", "versions", "state", "configuration", "ports"];
        checks.push("stack", "disk", "names", "clock", "certificates");
        expect([...new Set(findings.map(({ check }) => check))]).toEqual(checks);
        const after = [await identities(stack), await checkout.state(stack), checkout.read(`Pulumi.${stack}.yaml`)];
        // Ciphertext differs each time.
        const plain = (some: unknown) => JSON.stringify(some).replaceAll(/"ciphertext":"[^"]*"/g, "");
        expect(plain(after)).toBe(plain(before));
    });

    it.concurrent("finds a port that another program has, and which", async () => {
        const server = createServer();
        await new Promise<void>((resolve) => {
            server.listen(emptyPorts.mlflow, "127.0.0.1", resolve);
        });
        try {
            const what = new RegExp(`^mlflowPort: port ${emptyPorts.mlflow} on 127\\.0\\.0\\.1 is in use by `);
            const findings = await doctor(empty);
            expectFound(findings, {
                check: "ports",
                level: "fault",
                what,
                cure: /config set --stack .* 'mlflowPort' <port>/,
            });
            if (spawnSync("ss", ["--version"]).status === 0) {
                expectFound(findings, { check: "ports", what: new RegExp(`process ${process.pid}$`) });
            }
        } finally {
            server.close();
        }
    });

    it.concurrent("finds an engine that does not answer, and says what it could not look at", async () => {
        const findings = await doctor(stack, { DOCKER_HOST: "tcp://127.0.0.1:1" });
        expectFound(findings, {
            check: "engine",
            level: "fault",
            what: /tcp:\/\/127\.0\.0\.1:1 .*does not answer/,
            cure: /DOCKER_HOST/,
        });
        expectFound(findings, { check: "stack", level: "warn", what: "not looked at: no engine answers" });
        expectFound(findings, { check: "configuration", level: "ok" });
    });

    it("finds a container that was stopped, one that is paused and one that is gone, as npm run status does", async () => {
        await docker("stop", `mlflow-platform-${stack}-minio`);
        await docker("pause", `mlflow-platform-${stack}-postgres`);
        await docker("rm", "--force", `mlflow-platform-${stack}-mlflow`);
        try {
            const wanted = [/^minio is not running: exited since /, /^mlflow is not there$/, /^postgres is paused$/];
            const [{ problems, code, state: current }, findings] = await Promise.all([statusOf(stack), doctor(stack)]);
            expect([code, current]).toEqual([1, "unhealthy"]);
            for (const what of wanted) {
                expect(problems).toContainEqual({
                    level: "fault",
                    what: expect.stringMatching(what) as string,
                    cure: expect.any(String) as string,
                });
                expectFound(findings, { check: "stack", level: "fault", what, cure: /./ });
            }
        } finally {
            await docker("unpause", `mlflow-platform-${stack}-postgres`);
            await docker("start", `mlflow-platform-${stack}-minio`);
            await checkout.ok("start", ["--stack", stack]);
            await healthy(stack);
        }
    });

    // Only root may stop another user's process; the gate runs as root.
    it.runIf(process.getuid?.() === 0)("finds a service that does not answer any more", async () => {
        const pids = (await dockerLines("top", `mlflow-platform-${stack}-minio`, "-eo", "pid")).slice(1).map(Number);
        const signal = (name: NodeJS.Signals) => {
            for (const pid of pids) {
                process.kill(pid, name);
            }
        };
        signal("SIGSTOP");
        try {
            await eventually(
                async () => (await container(stack, "minio")).State.Health?.Status,
                (health) => health === "unhealthy",
            );
            const [{ problems, code }, findings] = await Promise.all([statusOf(stack), doctor(stack)]);
            expect(code).toBe(1);
            expect(problems[0]?.what).toMatch(/^minio is unhealthy since 20/);
            expect(problems[0]?.cure).toContain(`npm run logs -- minio --tail 50 --stack ${stack}`);
            expectFound(findings, { check: "stack", level: "fault", what: /^minio is unhealthy/ });
        } finally {
            signal("SIGCONT");
            await healthy(stack);
        }
    });

    it("finds the lock of an update that was killed, and npm start removes it", async () => {
        const pid = gone();
        await locked({ pid, hostname: hostname() }, async () => {
            const what = new RegExp(`has left its lock: process ${pid} of ana on this host`);
            expectFound(await doctor(stack), { check: "state", level: "fault", what, cure: /npm start -- --stack/ });
            const output = await checkout.ok("start", ["--stack", stack]);
            expect(output).toContain(`removing the lock of an update that was killed: process ${pid} of ana`);
            expect((await doctor(stack)).filter(({ level }) => level === "fault")).toEqual([]);
        });
    });

    it("finds a passphrase that does not fit, and one that is lost, which no command replaces", async () => {
        const wrong = await doctor(stack, { PULUMI_CONFIG_PASSPHRASE: "another" });
        expectFound(wrong, {
            check: "state",
            level: "fault",
            what: /passphrase does not fit the state of stack/,
            cure: /backup/,
        });
        expectFound(wrong, { check: "stack", level: "warn", what: /^not looked at/ });
        const passphrase = join(state, "passphrase");
        renameSync(passphrase, `${passphrase}.kept`);
        try {
            const what = `The file of the passphrase, ${passphrase}, is not there.`;
            expectFound(await doctor(stack), { check: "state", level: "fault", what, cure: /backup/ });
            const { code, output } = await checkout.run("start", ["--stack", stack]);
            expect(code).toBe(1);
            expect(output).toContain(what);
        } finally {
            // Fails where another one was made.
            expect(() => statSync(passphrase)).toThrow();
            renameSync(`${passphrase}.kept`, passphrase);
        }
    });

    it("finds a certificate that has ended, files that others may read, and what an update would refuse, at once", async () => {
        const longAgo = new Date(Date.now() - 11 * 365 * 24 * 3600 * 1000);
        const { certificate, privateKey } = await givenCertificate(["ml.example.com"], longAgo);
        const values = {
            publicHost: "ml.example.com",
            tlsCertificateFile: "ended.pem",
            tlsPrivateKey: privateKey,
            mlflowBucketName: "Not_A_Bucket",
        };
        writeFileSync(join(checkout.directory, "ended.pem"), certificate);
        chmodSync(state, 0o755);
        try {
            const findings = await checkout.configured(empty, values, () => doctor(empty));
            const what = /^tlsCertificateFile has not been valid since 20/;
            expectFound(findings, { check: "certificates", level: "fault", what, cure: /Set another one/ });
            expectFound(findings, { check: "configuration", level: "fault", what: /^tlsCertificateFile: / });
            expectFound(findings, {
                check: "state",
                level: "fault",
                what: /others may read .* \(mode 755\)/,
                cure: /^chmod/,
            });
            expectFound(findings, {
                check: "configuration",
                level: "fault",
                what: /^mlflowBucketName: "Not_A_Bucket"/,
            });
        } finally {
            chmodSync(state, 0o700);
            rmSync(join(checkout.directory, "ended.pem"));
        }
    });

    it("finds a data volume that is gone", async () => {
        // A stack with this state whose volume was removed by hand: here only the state names it.
        const volume = `mlflow-platform-${empty}-postgres_data`;
        const deployment = await checkout.state(stack);
        const text = JSON.stringify(deployment.deployment).replaceAll(stack, empty);
        const file = join(tmpdir(), `${empty}.json`);
        writeFileSync(file, JSON.stringify({ version: deployment.version, deployment: JSON.parse(text) as object }));
        const before = await checkout.state(empty);
        try {
            await checkout.pulumi(empty, "stack", "import", "--force", "--file", file);
            expectFound(await doctor(empty), {
                check: "stack",
                level: "fault",
                what: `data volume ${volume} is gone`,
                cure: /backup/,
            });
        } finally {
            writeFileSync(file, JSON.stringify(before));
            await checkout.pulumi(empty, "stack", "import", "--force", "--file", file);
            rmSync(file);
        }
    });
});

describe("every command says in words, and without a stack of calls,", () => {
    // Commands open a stack in two ways: one that only looks, and one that may change it. One of each is in every run.
    const commands: readonly (readonly [string, ...string[]])[] = [
        ["status"],
        ["client-env"],
        ...(process.env.MLFLOW_PLATFORM_TEST_LONG === undefined
            ? []
            : ([
                  ["logs"],
                  ["up"],
                  ["stop"],
                  ["rotate"],
                  ["user", "list"],
                  ["labels", "iris", "package.json"],
                  ["lifecycle", "data"],
              ] as const)),
    ];
    const each = commands.map(([script, ...args]) => [[script, ...args].join(" "), script, args] as const);
    const expectWords = ({ code, output }: { code: number; output: string }, ...wanted: string[]) => {
        expect(code).toBe(1);
        for (const text of wanted) {
            expect(output).toContain(text);
        }
        expect(output).not.toMatch(/^ +at .*:\d+:\d+\)?$/m);
        expect(output).not.toMatch(/ExecaError|CommandError|Error: /);
    };

    it.concurrent.each(each)("%s: that there is no such stack, and which is meant", async (_words, script, args) => {
        const near = stack.replace("generated", "generate");
        expectWords(
            await checkout.run(script, [...args, "--stack", near]),
            `There is no stack ${near} in file://`,
            `Did you mean ${stack}? There are: `,
        );
    });

    it.concurrent.each(each)("%s: that the engine does not answer", async (_words, script, args) => {
        expectWords(
            await checkout.run(script, [...args, "--stack", stack], { DOCKER_HOST: "tcp://127.0.0.1:1" }),
            "The Docker engine at tcp://127.0.0.1:1 (DOCKER_HOST) does not answer",
            "Start it, or point DOCKER_HOST",
        );
    });

    it.concurrent.each(each.filter(([, script]) => script !== "logs"))(
        "%s: that the passphrase does not fit",
        async (_words, script, args) => {
            expectWords(
                await checkout.run(script, [...args, "--stack", stack], { PULUMI_CONFIG_PASSPHRASE: "another" }),
                `The passphrase does not fit the state of stack ${stack}`,
                "Give the one that the stack was made with",
            );
        },
    );

    it.concurrent("delete-data: that there is no such stack; status: that there is none at all", async () => {
        const home = mkdtempSync(join(tmpdir(), "state-"));
        const nothing = { XDG_STATE_HOME: home };
        try {
            const [unknown, none, all] = await Promise.all([
                checkout.run("delete-data", ["there-is-none"]),
                checkout.run("status", [], nothing),
                checkout.run("status", ["--all"], nothing),
            ]);
            expectWords(unknown, "There is no stack there-is-none in file://");
            expectWords(none, "There is no stack dev", "npm start makes one.");
            expectWords(all, "There is no stack in", "npm start makes one.");
        } finally {
            rmSync(home, { recursive: true });
        }
    });

    it.concurrent("or works all the same, from another directory", async () => {
        const options = { env: checkout.env, extendEnv: false };
        const [elsewhere, below] = await Promise.all([
            execa(
                process.execPath,
                [join(checkout.directory, "operations/bootstrap.mjs"), "status", "--stack", stack],
                { ...options, cwd: tmpdir() },
            ),
            execa("npm", ["run", "--silent", "status", "--", "--stack", stack], {
                ...options,
                cwd: join(checkout.directory, "docs"),
            }),
        ]);
        expect(elsewhere.stdout).toContain(`Stack ${stack}: healthy`);
        expect(below.stdout).toContain(`Stack ${stack}: healthy`);
    });

    describe("with a stack's file that is no YAML,", () => {
        const file = join(checkout.directory, `Pulumi.${stack}.yaml`);
        let before: string;
        beforeAll(() => {
            before = readFileSync(file, "utf8");
            writeFileSync(file, `${before}\n  broken: [\n`);
        });
        afterAll(() => {
            writeFileSync(file, before);
        });

        it.concurrent.each([...each.filter(([, script]) => script !== "logs"), ["start", "start", []] as const])(
            "%s: so, and in which line",
            async (_words, script, args) => {
                expectWords(
                    await checkout.run(script, [...args, "--stack", stack]),
                    `Pulumi.${stack}.yaml is no valid YAML: line `,
                    `Mend Pulumi.${stack}.yaml in an editor`,
                );
            },
        );
    });
});
