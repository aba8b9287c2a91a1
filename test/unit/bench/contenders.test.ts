/** What each contender runs, and how a copy of the project keeps apart from the user's. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { run } from "../../../bench/command.ts";
import { composePeer, emptyProgram, platform } from "../../../bench/contenders.ts";
import { ProjectCopy } from "../../../bench/projectCopy.ts";
import { type Contender, runRound } from "../../../bench/rounds.ts";
import { buildTag, builds } from "../../../components/image.ts";
import { cliRoot, stackFile } from "../../../operations/workspace.ts";
import { Commands } from "../support/commands.ts";

const oneRound = (contender: Contender) =>
    runRound([contender], 0, () => undefined, { rest: () => Promise.resolve(), stop: () => undefined });

describe("a command", () => {
    const place = { cwd: "/", env: { PATH: process.env.PATH, ONLY: "this" } };

    it("has the variables given and no others, and no input", async () => {
        process.env.OF_THE_USER = "x";
        try {
            expect(await run("sh", ["-c", 'echo "$ONLY,$OF_THE_USER,$(cat)"'], place)).toBe("this,,");
        } finally {
            delete process.env.OF_THE_USER;
        }
    });

    it("that fails says how, and what it printed last on either output", async () => {
        const script = "seq 20; echo why >&2; exit 3";
        await expect(run("/bin/sh", ["-c", script], place)).rejects.toThrow(
            `sh -c ${script}: exit code 3\n${Array.from({ length: 11 }, (_, index) => index + 10).join("\n")}\nwhy`,
        );
    });

    it("gets the signal of Ctrl-C until it ends, where the run is to end; not one that clears up", async () => {
        const urging = { isWanted: () => true, milliseconds: 1000 };
        const patient = `trap 'n=$n.' INT; while [ "$n" != .. ]; do sleep 0.05; done; exit 7`;
        await expect(run("sh", ["-c", patient], place, urging)).rejects.toThrow(/: exit code 7/);
        const quick = ["-c", "sleep 2; echo done"];
        expect(await run("bash", quick, { ...place, clearsUp: true }, urging)).toBe("done");
        expect(await run("bash", quick, place, { ...urging, isWanted: () => false })).toBe("done");
    }, 60_000);

    it("that is not there, or was killed, fails as well", async () => {
        await expect(run("no-such-program", [], place)).rejects.toThrow("no-such-program: ENOENT");
        await expect(run("sh", ["-c", "kill -9 $$"], place)).rejects.toThrow(/^sh -c kill -9 \$\$: SIGKILL/);
    });
});

describe("this project and the empty program", () => {
    let calls: string[][];
    let copy: ProjectCopy;
    beforeEach(() => {
        calls = [];
        const note =
            (name: string) =>
            (...args: unknown[]) => {
                calls.push([name, ...args.map((arg) => (typeof arg === "string" ? arg : JSON.stringify(arg)))]);
                return Promise.resolve();
            };
        copy = {
            places: { project: mkdtempSync(join(tmpdir(), "bench-")) },
            ...{ makeStack: note("make"), removeStack: note("remove"), pulumi: note("pulumi"), npm: note("npm") },
        } as unknown as ProjectCopy;
    });
    afterEach(() => {
        rmSync(copy.places.project, { recursive: true });
    });

    it("a stack like dev comes up, and then has to find nothing changed", async () => {
        const readings = await oneRound(platform(copy, "bench-1"));
        const [[make, stack, settings = ""] = [], ...others] = calls;
        expect([make, stack]).toEqual(["make", "bench-1"]);
        const { mlflowPort, minioPort, minioConsoleAddress, ...rest } = JSON.parse(settings) as Record<string, string>;
        expect(rest).toEqual({ bindAddress: "127.0.0.1", mlflowAuth: "false" });
        const port = Number(mlflowPort);
        expect(port % 10).toBe(0);
        expect([minioPort, minioConsoleAddress]).toEqual([String(port + 1), `:${port + 2}`]);
        expect(others.map((call) => call.join(" "))).toEqual([
            "pulumi up --yes --skip-preview --stack bench-1",
            "pulumi preview --expect-no-changes --stack bench-1",
            "pulumi up --yes --skip-preview --expect-no-changes --stack bench-1",
            "npm start -- --stack bench-1",
            "npm run status -- --stack bench-1",
            "npm run status -- --help",
            "remove bench-1",
        ]);
        expect(readings.map(({ what }) => what)).toEqual([
            ...["cold start", "preview", "update", "npm start", "status", "help"],
        ]);
    });

    it("the empty program has been up once, and has no resource", async () => {
        await oneRound(emptyProgram(copy, "bench-1-empty"));
        expect(calls.map((call) => call.join(" "))).toEqual([
            "make bench-1-empty {}",
            "pulumi up --yes --skip-preview --stack bench-1-empty",
            "pulumi preview --expect-no-changes --stack bench-1-empty",
            "pulumi up --yes --skip-preview --expect-no-changes --stack bench-1-empty",
            "remove bench-1-empty",
        ]);
        const program = readFileSync(join(copy.places.project, "index.ts"), "utf8");
        expect(program.match(/^import .*$/gm)).toEqual(['import "@pulumi/pulumi";']);
    });
});

describe("a Compose peer", () => {
    const directory = join(import.meta.dirname, "../../../bench/compose");
    let commands: Commands;
    beforeEach(() => {
        commands = new Commands();
    });
    afterEach(() => {
        commands.remove();
    });

    it("comes up, comes up once more, and goes with its volumes", async () => {
        const script = join(commands.directory, "bin/compose");
        mkdirSync(join(commands.directory, "bin"));
        writeFileSync(
            script,
            `#!/bin/sh\necho "$(pwd)|$*" >>'${commands.directory}/calls'\nenv >'${commands.directory}/env'\n`,
            { mode: 0o755 },
        );
        const peer = composePeer({
            ...{ name: "Compose, lean", files: ["compose.yaml", "lean.yaml"], project: "p", compose: [script, "sub"] },
            ...{ baseImage: "base:1", env: commands.variables },
        });
        const readings = await oneRound(peer);
        const first = `${directory}|sub --project-name p --file compose.yaml --file lean.yaml`;
        expect(commands.calls()).toEqual([
            `${first} up --detach --wait`,
            `${first} up --detach --wait`,
            `${first} down --volumes --timeout 0`,
        ]);
        expect(readings.map(({ what, figure }) => [what, "seconds" in figure])).toEqual([
            ["cold start", true],
            ["update", true],
        ]);
        const env = Object.fromEntries(
            readFileSync(join(commands.directory, "env"), "utf8")
                .trim()
                .split("\n")
                .map((line) => line.split(/=(.*)/s)),
        ) as Record<string, string>;
        expect(env.MLFLOW_IMAGE).toBe(buildTag("mlflow", builds.mlflow, "base:1").tag);
        expect(env.MINIO_IMAGE).toBe(buildTag("minio", builds.minio, "base:1").tag);
        expect(env.POSTGRES_IMAGE).toBe(buildTag("postgres", builds.postgres, "base:1").tag);
        expect(env.WORKERS).toBe("2");
        expect(env.PASSWORD).toMatch(/^[0-9a-f]{32}$/);
        const asked = ["compose.yaml", "lean.yaml"].flatMap((file) => [
            ...readFileSync(join(directory, file), "utf8").matchAll(/(?<!\$)\$\{(\w+)\}/g),
        ]);
        expect(asked.map(([, name]) => name).filter((name = "") => env[name] === undefined)).toEqual([]);
    });

    it("publishes on 127.0.0.1 only, and probes each second", () => {
        const { services } = parse(readFileSync(join(directory, "compose.yaml"), "utf8")) as {
            services: Record<string, { ports?: string[]; healthcheck?: { interval: string } }>;
        };
        expect(Object.keys(services)).toEqual(["postgres", "minio", "bucket", "mlflow"]);
        expect(Object.values(services).flatMap(({ ports = [] }) => ports)).toEqual([
            "127.0.0.1:${MINIO_PORT}:9000",
            "127.0.0.1:${CONSOLE_PORT}:9001",
            "127.0.0.1:${MLFLOW_PORT}:5000",
        ]);
        expect(Object.values(services).map(({ healthcheck }) => healthcheck?.interval)).toEqual([
            ...["1s", "1s", undefined, "1s"],
        ]);
    });
});

describe("a copy of the project", () => {
    let commands: Commands;
    beforeEach(() => {
        commands = new Commands();
        vi.stubEnv("DOCKER_HOST", undefined);
    });
    afterEach(() => {
        vi.unstubAllEnvs();
        commands.remove();
    });

    it("has neither other stacks nor earlier results, and a backend and passphrase of its own", async () => {
        const { project } = commands.places;
        for (const file of [".git/HEAD", "bench/results/start.json", "node_modules/x/a", "images/y/Dockerfile"]) {
            mkdirSync(join(project, file, ".."), { recursive: true });
            writeFileSync(join(project, file), file);
        }
        for (const file of ["Pulumi.yaml", "Pulumi.dev.yaml", "bench/start.ts"]) {
            writeFileSync(join(project, file), file);
        }
        const directory = join(commands.directory, "bench");
        mkdirSync(directory);
        const env = {
            PATH: commands.variables.PATH,
            XDG_CACHE_HOME: join(commands.directory, "cache"),
            PULUMI_BACKEND_URL: "s3://of-the-user",
            PULUMI_CONFIG_PASSPHRASE: "of the user",
        };
        const copy = new ProjectCopy(directory, commands.places, env, { dockerHost: "unix:///there/is/none.sock" });
        const checkout = join(directory, "checkout");
        expect(copy.places.project).toBe(checkout);
        expect(readdirSync(checkout).sort()).toEqual(["Pulumi.yaml", "bench", "images", "node_modules"]);
        expect(readdirSync(join(checkout, "bench"))).toEqual(["start.ts"]);
        expect(readFileSync(join(checkout, "node_modules/x/a"), "utf8")).toBe("node_modules/x/a");

        const seen = join(commands.directory, "seen");
        const pulumi = join(cliRoot(copy.places), "bin", "pulumi");
        mkdirSync(join(pulumi, ".."), { recursive: true });
        writeFileSync(
            pulumi,
            `#!/bin/sh\necho "$*|$(pwd)|$PULUMI_BACKEND_URL|$PULUMI_CONFIG_PASSPHRASE|$PULUMI_CONFIG_PASSPHRASE_FILE" >'${seen}'\n`,
            { mode: 0o755 },
        );
        await copy.makeStack("one", { mlflowPort: "15500" });
        const { state } = copy.places;
        expect(state.startsWith(`${directory}/`)).toBe(true);
        expect(readFileSync(seen, "utf8")).toBe(
            `stack init one|${checkout}|file://${state}/backend||${state}/passphrase\n`,
        );
        expect(parse(readFileSync(stackFile(copy.places, "one"), "utf8"))).toEqual({
            config: { "mlflow-platform:mlflowPort": "15500" },
        });

        commands.add("docker", {
            "ps --all": "c1\tmlflow-platform-one-mlflow\tx\n",
            "network ls": "",
            "volume ls": "v1\tv1\tx\nv2\tv2\tx\n",
            rm: "",
            "volume rm": "",
        });
        await copy.removeStack("one");
        expect(commands.calls().slice(-2)).toEqual(["rm --force c1", "volume rm v1 v2"]);
        expect([state, stackFile(copy.places, "one")].filter(existsSync)).toEqual([]);
    });
});
