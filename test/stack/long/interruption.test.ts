import { randomBytes, randomInt } from "node:crypto";
import { readFileSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execFileSync } from "node:child_process";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { buildTag, builds } from "../../../components/image.ts";
import { pendingOf, resourcesOf } from "../../../operations/engineObjects.ts";
import { Checkout, ending } from "../support/checkout.ts";
import { container, containersOf, dockerLines, healthy, identities } from "../support/engine.ts";
import { freePorts, initStack } from "../support/platforms.ts";
import { PrivateEngine } from "../support/privateEngine.ts";
import { scripts } from "../support/python.ts";
import { eventually, setModels } from "../support/served.ts";

const stack = "interrupted";
const services = ["postgres", "minio", "mlflow"] as const;

// Only root can have an engine and a disk of its own; the gate runs as root.
describe.runIf(process.getuid?.() === 0)("on an engine of its own", () => {
    let engine: PrivateEngine;
    let checkout: Checkout;
    /** The engine of all other tests. */
    const sharedHost = process.env.DOCKER_HOST;
    beforeAll(async () => {
        const running = await Promise.all(services.map((name) => container(inject("generated").stack, name)));
        const images = running.map(({ Config }) => Config.Image);
        engine = await PrivateEngine.make("4g", images);
        checkout = await Checkout.make();
        checkout.inside = engine.inside;
        process.env.DOCKER_HOST = engine.host;
        await checkout.ok("pulumi", ["stack", "init", stack]);
        // There is no package source in the engine's network.
        const known = Object.fromEntries(services.map((name, at) => [imageKey(name), images[at] ?? ""]));
        await checkout.set(stack, { ...known, mlflowAuth: "false" });
    });
    afterAll(async () => {
        await engine.remove();
        checkout.remove();
    });

    const imageKey = (name: string) => `${name}Image`;

    /** Logs or reads a run inside the server's container: nothing else is in the engine's network. */
    async function client(action: "log" | "read", what: string): Promise<Record<string, string>> {
        const python = ["exec", "--interactive", `mlflow-platform-${stack}-mlflow`, "/opt/mlflow/bin/python", "-"];
        const { stdout } = await execa("docker", [...python, "http://127.0.0.1:5000", action, what], {
            input: readFileSync(join(scripts, "log_and_read.py")),
        });
        return JSON.parse(stdout.split("\n").at(-1) ?? "") as Record<string, string>;
    }

    let runId = "";
    let credentials: unknown;
    const credentialsNow = async () => {
        const { pgUri, minioRootUser, minioRootPassword } = await checkout.outputs(stack);
        return { pgUri, minioRootUser, minioRootPassword };
    };

    /** The next `npm start` ends healthy: nothing is left over, nothing is lost, and nothing has to be mended by hand. */
    async function expectMended(): Promise<void> {
        await checkout.ok("start", ["--stack", stack]);
        await healthy(stack);
        const state = await checkout.state(stack);
        const known = new Set(resourcesOf(state).map(({ id }) => id));
        const made = await containersOf(stack);
        expect(made.length).toBe(10);
        expect(made.filter(({ Id }) => !known.has(Id)).map(({ Name }) => Name)).toEqual([]);
        const networks = await dockerLines(
            "network",
            "ls",
            "--quiet",
            "--filter",
            `label=mlflow-platform.stack=${stack}`,
        );
        expect(networks.length).toBe(1);
        expect(pendingOf(state)).toEqual([]);
        if (runId === "") {
            runId = (await client("log", "kept")).runId ?? "";
            credentials = await credentialsNow();
        } else {
            expect(await client("read", runId)).toEqual({ param: "kept", artifact: "kept" });
            expect(await credentialsNow()).toEqual(credentials);
        }
    }

    it("a disk that is full: up is red and says so, and npm start refuses in words", async () => {
        await checkout.set(stack, { pgWaitSeconds: "25", minioWaitSeconds: "25" });
        const filler = join(engine.disk, "filler");
        const { bavail, bsize } = statfsSync(engine.disk);
        execFileSync("fallocate", ["--length", String(bavail * bsize - 3 * 2 ** 20), filler]);
        try {
            const red = await checkout.run("up", ["--stack", stack]);
            expect(red.code).toBe(1);
            expect(red.output).toMatch(/no space left on device/i);
            const refused = await checkout.run("start", ["--stack", stack]);
            expect(refused.code).toBe(1);
            expect(refused.output).toMatch(
                /The disk of the Docker engine \(.*\) has 0\.0 GiB free, and 1 GiB are needed\./,
            );
        } finally {
            rmSync(filler);
        }
        await checkout.pulumi(stack, "config", "remove-all", "pgWaitSeconds", "minioWaitSeconds");
    });

    it("there is room again, and the engine is stopped and started during the update that goes on", async () => {
        const running = checkout.spawn("start", ["--stack", stack]);
        const end = ending(running);
        await sleep(randomInt(5000, 12_000));
        await engine.stop();
        const { code } = await end;
        expect(code).not.toBe(0);
        await engine.start();
        checkout.inside = engine.inside;
        await expectMended();
    });

    // Ctrl-C reaches the whole process group, as in a terminal; a kill leaves no time to tidy up.
    const signals: NodeJS.Signals[] = ["SIGINT", "SIGKILL"];
    const rounds = Array.from({ length: process.env.MLFLOW_PLATFORM_TEST_LONG === undefined ? 1 : 12 }, () => signals);
    it.each(rounds.flat().map((signal, round) => ({ signal, round })))(
        "$signal at a random moment of an update (round $round)",
        async ({ signal, round }) => {
            // Every other pair of rounds it is the first start of what was stopped, else a change of every service.
            if (round % 4 > 1) {
                await checkout.ok("stop", ["--stack", stack]);
            } else {
                await checkout.set(stack, { bindAddress: `127.0.0.${10 + round}`, pgCpus: `0.${(round % 9) + 1}` });
            }
            const command = round % 3 === 0 ? ["start"] : ["pulumi", "up", "--yes", "--skip-preview"];
            const running = checkout.spawn(command[0] ?? "", [...command.slice(1), "--stack", stack]);
            const end = ending(running);
            await sleep(randomInt(1500, 14_000));
            const early = running.exitCode === null;
            if (early) {
                process.kill(-(running.pid ?? 0), signal);
            }
            const { code, output } = await end;
            console.log(`${signal}, ${early ? "interrupted" : "it had ended already"}:\n${output.slice(-300)}`);
            expect(code === 0).toBe(!early);
            // Before its first step it ends without a word.
            if (early && signal === "SIGINT" && output.includes("❯ Stack")) {
                expect(output).toContain("Interrupted. Nothing is lost");
            }
            await expectMended();
        },
    );

    it("nothing is left to change in the end", async () => {
        await checkout.pulumi(stack, "preview", "--expect-no-changes", "--refresh");
    });

    /** Images of the gateway and of models on the shared engine: where no test has needed them yet, a stack of its own builds them. */
    async function otherImages(): Promise<[gateway: string, model: string]> {
        const base = process.env.MLFLOW_PLATFORM_BASE_IMAGE;
        const tags: [string, string] = [
            buildTag("gateway", builds.gateway, base).tag,
            buildTag("model", builds.model, base).tag,
        ];
        process.env.DOCKER_HOST = sharedHost;
        try {
            if ((await execa("docker", ["image", "inspect", ...tags], { reject: false })).exitCode !== 0) {
                const { directory, stateHome } = inject("checkout");
                const builder = Checkout.at(directory, stateHome);
                const name = `images-${randomBytes(2).toString("hex")}`;
                await initStack(builder, name);
                const [port = 0] = await freePorts(1);
                await builder.set(name, { publicHost: "platform.internal" });
                await setModels(builder, name, [{ name: "iris", port }]);
                await builder.ok("start", ["--stack", name]);
                await builder.ok("delete-data", [name]);
            }
        } finally {
            process.env.DOCKER_HOST = engine.host;
        }
        return tags;
    }

    /** Reads a run as a client on the engine's host does: by TLS, from the gateway. */
    async function readByTls(): Promise<string> {
        const { HostConfig } = await container(stack, "gateway");
        const address = HostConfig.PortBindings?.["5000/tcp"]?.[0]?.HostIp ?? "";
        const { caCertificate } = await checkout.outputs(stack);
        const script = `
            const [address, ca, path] = process.argv.slice(1);
            require("node:https").get(
                { host: address, port: 5000, path, ca, servername: "platform.internal", headers: { host: "platform.internal:5000" } },
                (response) => response.pipe(process.stdout),
            );`;
        const [program = "", ...rest] = engine.inside;
        const path = `/api/2.0/mlflow/runs/get?run_id=${runId}`;
        const { stdout } = await execa(program, [
            ...rest,
            process.execPath,
            "-e",
            script,
            address,
            String(caCertificate),
            path,
        ]);
        return stdout;
    }

    it("after a reboot everything is healthy by itself, with gateway and model server, and a client reads", async () => {
        const [gateway, modelImage] = await otherImages();
        for (const image of [gateway, modelImage]) {
            await engine.load([image], sharedHost);
        }
        await checkout.set(stack, { gatewayImage: gateway, modelImage, publicHost: "platform.internal" });
        await setModels(checkout, stack, [{ name: "iris", port: 5100 }]);
        await checkout.ok("start", ["--stack", stack]);
        const names = ["gateway", "minio", "mlflow", "model-iris", "postgres"];
        const allHealthy = async () => {
            const states = await Promise.all(names.map(async (name) => (await container(stack, name)).State));
            return states.map(({ Status, Health }) => `${Status}, ${Health?.Status ?? "unknown"}`);
        };
        expect(await allHealthy()).toEqual(names.map(() => "running, healthy"));
        const before = await identities(stack);

        await engine.stop();
        await engine.start();
        checkout.inside = engine.inside;
        await eventually(allHealthy, (states) => states.every((state) => state === "running, healthy"));
        expect(await identities(stack)).toEqual(before);
        expect(await readByTls()).toContain(`"kept"`);
        expect(await client("read", runId)).toEqual({ param: "kept", artifact: "kept" });
        await checkout.ok("status", ["--stack", stack]);
    });
});
