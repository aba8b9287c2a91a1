/** Stopping: what an interrupted deletion has left without protection is protected again first, and only that. */
import { join } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Step } from "../../../operations/progress.ts";
import { cliRoot } from "../../../operations/workspace.ts";
import { Commands } from "../support/commands.ts";

type Stop = typeof import("../../../operations/stop.ts");
let stopOf: Stop["stop"];
let stack: Stack;
// Another query is another module: one whose set-up is there and whose stack is played.
beforeAll(async () => {
    const workspace = await vi.importActual<object>("../../../operations/workspace.ts");
    const variables = () => commands.variables;
    vi.doMock("../../../operations/platform.ts", () => ({
        choicesOf: () => ({}),
        planPlatform: () => Promise.resolve({ engine: { action: "running" }, toolchain: { ready: true } }),
        variablesOf: variables,
    }));
    vi.doMock("../../../operations/workspace.ts", () => ({ ...workspace, openStack: () => Promise.resolve(stack) }));
    vi.doMock("../../../operations/stackCheck.ts", () => ({ settleObjects: () => stack.exportStack() }));
    vi.doMock("../../../operations/progress.ts", async (original) => ({
        ...(await original<object>()),
        runSteps: async (steps: readonly Step[]) => {
            for (const { run } of steps) {
                await run(() => undefined);
            }
        },
    }));
    const played = "../../../operations/stop.ts?played";
    stopOf = ((await import(/* @vite-ignore */ played)) as Stop).stop;
});
afterAll(() => {
    for (const module of ["platform", "workspace", "stackCheck", "progress"]) {
        vi.doUnmock(`../../../operations/${module}.ts`);
    }
});

let commands: Commands;
beforeEach(() => {
    commands = new Commands();
    commands.add(join(cliRoot(commands.places), "bin/pulumi"), { "state protect": "" });
    vi.spyOn(console, "log").mockImplementation(() => undefined);
});
afterEach(() => {
    vi.restoreAllMocks();
    commands.remove();
});

const resource = (parent: string, type: string, name: string, protect = false) => ({
    type,
    urn: `urn:pulumi:prod::mlflow-platform::mlflow-platform:index:${parent}$${type}::${name}`,
    protect,
});
const id = "random:index/randomId:RandomId";
const password = "random:index/randomPassword:RandomPassword";
const volume = "docker:index/volume:Volume";
const container = "docker:index/container:Container";
const bare = [
    resource("Origin", id, "origin"),
    resource("CertificateAuthority", id, "authority"),
    resource("GeneratedSecret", password, "admin-password"),
    resource("Volume", volume, "postgres_data"),
    resource("Volume", volume, "gateway_data"),
];
const others = [
    { type: "pulumi:pulumi:Stack" },
    // It can be made again, so it goes with its service.
    resource("ServerCertificate", id, "minio-certificate-0badcafe"),
    resource("SecretFiles", volume, "minio-secrets"),
    resource("Mlflow", volume, "mlflow-transfers"),
    resource("Gateway", container, "gateway"),
];

describe("stopping", () => {
    /** What was destroyed how, and what had been called before. */
    let destroyed: unknown[];
    const stop = async (resources: object[]) => {
        destroyed = [];
        stack = {
            name: "prod",
            exportStack: () => Promise.resolve({ version: 3, deployment: { resources } }),
            destroy: ({ excludeProtected }: { excludeProtected: boolean }) => {
                destroyed.push([excludeProtected, commands.calls()]);
                return Promise.resolve({});
            },
        } as unknown as Stack;
        await stopOf("prod", commands.places, {});
    };

    it("protects data, generated secrets, the origin and the authority where they are without, then removes the rest", async () => {
        await stop([...others, ...bare]);
        const calls = [`state protect --yes --stack prod ${bare.map(({ urn }) => urn).join(" ")}`];
        expect(destroyed).toEqual([[true, calls]]);
        expect(commands.calls()).toEqual(calls);
    });

    it("asks for nothing where all of that is protected", async () => {
        await stop([...others, ...bare.map((some) => ({ ...some, protect: true }))]);
        expect(destroyed).toEqual([[true, []]]);
    });
});
