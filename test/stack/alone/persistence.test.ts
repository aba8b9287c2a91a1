import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { enginePidFile, startEngine } from "../../../operations/engine.ts";
import { placesOf } from "../../../operations/places.ts";
import { Checkout } from "../support/checkout.ts";
import { container, containersOf, docker, healthy } from "../support/engine.ts";
import { keptBy } from "../support/kept.ts";
import { freePorts } from "../support/platforms.ts";

const platform = inject("generated");
const { stack } = platform;
const checkout = Checkout.at(platform.directory, platform.stateHome);

const up = () => checkout.pulumi(stack, "up", "--yes", "--skip-preview");

let expectEverythingThere: (trackingUri?: string) => Promise<void>;
beforeAll(async () => {
    expectEverythingThere = await keptBy(platform);
});

describe("every run, artifact and credential is still there", () => {
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
