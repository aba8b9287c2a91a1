import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { enginePidFile, startEngine } from "../../operations/engine.ts";
import { placesOf } from "../../operations/places.ts";
import { Checkout } from "./checkout.ts";
import { container, containersOf, dataVolumes, docker, dockerLines, healthy, serverFile } from "./engine.ts";
import { freePorts } from "./platforms.ts";
import { runPython } from "./python.ts";

const platform = inject("generated");
const { stack } = platform;
const checkout = Checkout.at(platform.directory, platform.stateHome);

/** A run that was logged before anything changed, and the credentials of that time. */
let runId: string;
let credentials: Record<string, unknown>;
const text = `kept ${randomBytes(4).toString("hex")}`;

async function credentialsNow(): Promise<Record<string, unknown>> {
    const { pgUri, minioRootUser, minioRootPassword } = await checkout.outputs(stack);
    const files = await Promise.all(
        ["pgpass", "aws_credentials", "kek_passphrase"].map((file) => serverFile(stack, file)),
    );
    return { pgUri, minioRootUser, minioRootPassword, files };
}

let volumesBefore: string[];

async function expectEverythingThere(trackingUri = platform.trackingUri): Promise<void> {
    await healthy(stack);
    expect(await runPython("log_and_read.py", [trackingUri, "read", runId])).toEqual({ param: text, artifact: text });
    expect(await credentialsNow()).toEqual(credentials);
    expect(await dataVolumes(stack)).toEqual(volumesBefore);
}

const up = () => checkout.pulumi(stack, "up", "--yes", "--skip-preview");

beforeAll(async () => {
    ({ runId } = await runPython<{ runId: string }>("log_and_read.py", [platform.trackingUri, "log", text]));
    credentials = await credentialsNow();
    volumesBefore = await dataVolumes(stack);
});

describe("every run, artifact and credential is still there", () => {
    it("after npm stop and npm start", async () => {
        await checkout.ok("stop", ["--stack", stack]);
        expect(await containersOf(stack)).toEqual([]);
        expect(
            await dockerLines("network", "ls", "--quiet", "--filter", `label=mlflow-platform.stack=${stack}`),
        ).toEqual([]);
        await checkout.ok("start", ["--stack", stack]);
        await expectEverythingThere();
    });

    it("after a change of the server's limits, port and image, by reference, which replaces nothing else, and back", async () => {
        const [port = 0] = await freePorts(1);
        const { Image } = await container(stack, "mlflow");
        const reference = `mlflow-platform-test/mlflow:${stack}`;
        // The same content under another id: committed from a container that was never started.
        const id = await docker("create", Image);
        await docker("commit", "--change", "LABEL test=another", id, reference);
        await docker("rm", id);
        const before = Object.fromEntries((await containersOf(stack)).map(({ Name, Id }) => [Name, Id]));
        try {
            const values = { mlflowCpus: "1.5", mlflowPort: String(port), mlflowImage: reference };
            await checkout.configured(stack, values, async () => {
                await up();
                const changed = (await containersOf(stack)).filter(({ Name, Id }) => before[Name] !== Id);
                expect(changed.map(({ Name }) => Name).sort()).toEqual(
                    ["mlflow", "mlflow-migrate"].map((name) => `/mlflow-platform-${stack}-${name}`),
                );
                const server = await container(stack, "mlflow");
                expect(server.HostConfig.NanoCpus).toBe(1.5e9);
                expect(server.Image).not.toBe(Image);
                await expectEverythingThere(`http://127.0.0.1:${port}`);
            });
            await up();
            expect((await container(stack, "mlflow")).Image).toBe(Image);
            await expectEverythingThere();
        } finally {
            await docker("image", "rm", reference);
        }
    });

    // Ends every container on the engine: only done to an engine that this project started.
    const pidFile = enginePidFile(placesOf(process.env));
    const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, "utf8")) : 0;
    const ours =
        pid > 0 && existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "dockerd";
    it.skipIf(!ours)("after the engine was stopped and started, without a command", async () => {
        process.kill(pid, "SIGTERM");
        while (existsSync(`/proc/${pid}`)) {
            await sleep(200);
        }
        await startEngine(
            process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock",
            placesOf(process.env),
            () => undefined,
        );
        await healthy(stack);
        await healthy(inject("planted").stack);
        await expectEverythingThere();
        await checkout.pulumi(stack, "preview", "--expect-no-changes", "--refresh");
    });
});
