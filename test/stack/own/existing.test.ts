/** Stacks of the last release: what this version changes of them; in the long tests, that it serves what they had. */
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resourcesOf } from "../../../operations/engineObjects.ts";
import { noEngine } from "../../../operations/preview/placeholders.ts";
import { isDataVolume } from "../../../rules/data.ts";
import { Checkout, type PlannedChange, byName } from "../support/checkout.ts";
import { dataVolumes } from "../support/engine.ts";
import {
    administrator,
    checkoutOf,
    initStacks,
    model,
    records,
    release,
    takePassphrase,
} from "../support/lastRelease.ts";
import { freePorts } from "../support/platforms.ts";
import { runPython } from "../support/python.ts";
import { Registry, Served } from "../support/served.ts";

/** What this version's images and health checks replace in every stack, and of both that is built here. */
const everywhere = {
    "Container minio": "replace",
    "Container minio-provision": "replace",
    "Container mlflow": "replace",
    "Container mlflow-migrate": "replace",
    "Container postgres": "replace",
    "RemoteImage minio": "replace",
    "RemoteImage mlflow": "replace",
    "RemoteImage postgres": "replace",
};

/** All that this version changes of the last release's stacks: resource → create, update, replace or delete. */
const planned: Readonly<Record<"plain" | "served", Readonly<Record<string, string>>>> = {
    // The image of models goes from the state where none is served; the engine keeps it.
    plain: { ...everywhere, "Image model": "delete", "RemoteImage model": "delete" },
    served: {
        ...everywhere,
        "Container gateway": "replace",
        "Container model-doubled": "replace",
        "Container model-doubled-monitor": "replace",
        // The project that the monitor runs has other comments.
        "Container model-doubled-monitor-project-seed": "replace",
        "RemoteImage model": "replace",
    },
};

/** Whether an update would part the stack from its data, or from a secret, authority or network of its containers. */
function isLoss({ op, urn }: PlannedChange): boolean {
    return op !== "update" && (isDataVolume({ urn }) || /\$(random:|docker:index\/network:)/.test(urn));
}

describe.each(["plain", "served"] as const)("the recorded stack %s", (stack) => {
    let checkout: Checkout;
    let changes: PlannedChange[];
    beforeAll(async () => {
        checkout = await Checkout.make();
        takePassphrase(checkout);
        await checkout.ok("pulumi", ["stack", "init", stack]);
        copyFileSync(join(records, `Pulumi.${stack}.yaml`), join(checkout.directory, `Pulumi.${stack}.yaml`));
        copyFileSync(join(records, "packages.pem"), join(checkout.directory, "packages.pem"));
        const state = readFileSync(join(records, `${stack}.json`), "utf8");
        expect(await checkout.cli(stack, ["stack", "import"], state)).toMatchObject({ code: 0 });
        const base = /"BASE_IMAGE": "([^"]*)"/.exec(state)?.[1] ?? "";
        const proxies = ["http_proxy", "https_proxy", "no_proxy"].flatMap((name) => [name, name.toUpperCase()]);
        changes = await checkout.changes(
            stack,
            {},
            {
                // The engine's ports are those of other stacks, and nothing here is to be made on it.
                DOCKER_HOST: noEngine,
                // The machine's own settings, which are part of what is planned, are those of the record.
                MLFLOW_PLATFORM_BASE_IMAGE: base,
                ...Object.fromEntries(proxies.map((name) => [name, ""])),
            },
        );
    });
    afterAll(() => {
        checkout.remove();
    });

    it("keeps every data volume, secret, authority and network", () => {
        expect(changes.filter(isLoss)).toEqual([]);
    });

    it("is changed as this version means to, and no more", () => {
        expect(byName(changes)).toEqual(planned[stack]);
    });
});

describe.runIf(process.env.MLFLOW_PLATFORM_TEST_LONG)("stacks that the last release has just made", () => {
    const suffix = randomBytes(2).toString("hex");
    const stacks = { plain: `plain-${suffix}`, served: `served-${suffix}` };
    const home = mkdtempSync(join(tmpdir(), "mlflow-platform-client-"));
    const rows = [[1], [3], [-0.5]];
    const made: string[] = [];
    let last: Checkout;
    let current: Checkout;
    let runs: { stack: string; runId: string }[];
    let before: Awaited<ReturnType<typeof found>>;

    /** Runs log_and_read.py with a stack's address, certificate and login. */
    async function client<T>(stack: string, ...args: string[]): Promise<T> {
        const { trackingUri, caCertificate, adminPassword } = await current.outputs(stack);
        const file = join(home, `${stack}.pem`);
        writeFileSync(file, typeof caCertificate === "string" ? caCertificate : "");
        const secured = {
            MLFLOW_TRACKING_SERVER_CERT_PATH: file,
            MLFLOW_TRACKING_USERNAME: administrator.username,
            MLFLOW_TRACKING_PASSWORD: administrator.password,
        };
        const env = adminPassword === undefined ? {} : secured;
        return runPython<T>("log_and_read.py", [String(trackingUri), ...args], env);
    }

    async function modelServer(): Promise<Served> {
        const { modelServerUrls, modelServerTokens, caCertificate } = (await current.outputs(stacks.served)) as {
            modelServerUrls: Record<string, string>;
            modelServerTokens: Record<string, string>;
            caCertificate: string;
        };
        return new Served(modelServerUrls[model] ?? "", {
            authority: caCertificate,
            token: modelServerTokens[model] ?? "",
        });
    }

    /** What must not change: volumes with data, generated values and authorities, runs, answers. */
    async function found() {
        const served = await modelServer();
        await served.serves("1");
        return {
            volumes: [
                ...(await dataVolumes(stacks.plain)),
                ...(await dataVolumes(stacks.served, `model-${model}-records`, `model-${model}-state`)),
            ],
            secrets: Object.fromEntries(
                (await Promise.all(Object.values(stacks).map((stack) => current.state(stack, true)))).flatMap((state) =>
                    resourcesOf(state)
                        .filter(({ type }) => /^random:index\/random(Password|Id):/.test(type))
                        .map(({ urn = "", outputs = {} }) => {
                            const { result, hex, keepers } = outputs;
                            return [urn, { result, hex, keepers }] as const;
                        }),
                ),
            ),
            runs: await Promise.all(runs.map(({ stack, runId }) => client<object>(stack, "read", runId))),
            predictions: await served.predict(["x"], rows),
        };
    }

    beforeAll(async () => {
        last = await checkoutOf(release);
        current = await Checkout.make(last.stateHome);
        const ports = await freePorts(7);
        await initStacks(last, stacks, [ports.slice(0, 3), ports.slice(3)]);
        for (const stack of Object.values(stacks)) {
            made.push(stack);
            await last.ok("start", ["--stack", stack], {}, true);
            const file = `Pulumi.${stack}.yaml`;
            copyFileSync(join(last.directory, file), join(current.directory, file));
        }
        runs = await Promise.all(
            Object.values(stacks).map(async (stack) => ({
                stack,
                runId: (await client<{ runId: string }>(stack, "log", `of ${stack}`)).runId,
            })),
        );
        const { trackingUri, modelImage, caCertificate } = await current.outputs(stacks.served);
        const registry = new Registry(
            stacks.served,
            String(trackingUri),
            String(modelImage),
            administrator,
            String(caCertificate),
        );
        expect(await registry.log("good", model, "2")).toBe("1");
        await registry.promote(model, "1");
        before = await found();
    });
    afterAll(async () => {
        for (const stack of made) {
            // If this fails, the state has to stay: it is the only one that knows what is left on the engine.
            await current.ok("delete-data", [stack]);
        }
        current.remove();
        last.remove();
        rmSync(home, { recursive: true });
    });

    it("had what the next version has to keep", () => {
        expect(before.runs).toEqual(
            Object.values(stacks).map((stack) => ({ param: `of ${stack}`, artifact: `of ${stack}` })),
        );
        expect(before.predictions).toEqual([2, 6, -1]);
        expect(before.volumes).toHaveLength(8);
        expect(Object.keys(before.secrets).length).toBeGreaterThan(20);
    });

    it.each(Object.entries(stacks))("are brought up by this version: %s", async (_kind, stack) => {
        await current.ok("start", ["--stack", stack], {}, true);
        await current.pulumi(stack, "preview", "--expect-no-changes", "--refresh");
    });

    it("have the same volumes, secrets, authority, runs and artifacts, and the model answers the same", async () => {
        expect(await found()).toMatchObject(before);
    });
});
