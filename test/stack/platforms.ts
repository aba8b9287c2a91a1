/**
 * Two platforms for all stack tests, made by the project's own commands in a fresh copy of the checkout:
 * `generated` has the configuration of the stack dev, without login, but for its ports; `planted` has a login, and a known value
 * for everything secret.
 */
import { randomBytes, randomInt } from "node:crypto";
import { chownSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import type { TestProject } from "vitest/node";
import { Checkout, ending } from "./checkout.ts";

/** One platform. */
export interface Platform {
    readonly stack: string;
    readonly directory: string;
    readonly stateHome: string;
    readonly ports: { readonly mlflow: number; readonly s3: number; readonly console: number };
    readonly trackingUri: string;
    /** The variables of a client that logs in, as the administrator; none without login. */
    readonly login: Readonly<Record<string, string>>;
    /** What `npm start` printed when it made the platform. */
    readonly startOutput: string;
}

declare module "vitest" {
    export interface ProvidedContext {
        generated: Platform;
        planted: Platform;
        /** The secret values of `planted`, by key. */
        plantedSecrets: Record<string, string>;
        /** The host's directory with the objects of `planted`. */
        minioData: string;
        /** Arguments of every process that was seen while `planted` was made. */
        seenArguments: string[];
    }
}

/** Every printable kind of character that a format on the way could trip over. */
const awkward = "pé@:/%#'\"$\\`& +=x";

/** Values that `planted` has in its configuration: a known one for each secret, and another than the default for the rest. */
export const plantedValues: Readonly<Record<string, { value: string; secret: boolean }>> = {
    minioRootUser: { value: "planted-root", secret: false },
    minioRootPassword: { value: `${awkward}root-password`, secret: true },
    minioAccessKey: { value: "planted-key", secret: false },
    minioSecretAccessKey: { value: `${awkward}secret-access-key`, secret: true },
    pgPassword: { value: `${awkward}server-password`, secret: true },
    pgOwnerPassword: { value: `${awkward}owner-password`, secret: true },
    pgAuthPassword: { value: `${awkward}auth-password`, secret: true },
    // MLflow takes ASCII only.
    adminPassword: { value: `${awkward.replace("é", "")}admin-password`, secret: true },
    mlflowAuth: { value: "true", secret: false },
    adminUsername: { value: "chief & %", secret: false },
    defaultPermission: { value: "READ", secret: false },
    artifactTempSize: { value: "300", secret: false },
    pgUser: { value: "tracking server", secret: false },
    pgOwnerUser: { value: "table-owner", secret: false },
    pgAuthUser: { value: "login: reader", secret: false },
    pgPort: { value: "6543", secret: false },
    pgDatabase: { value: "experiments & models", secret: false },
    mlflowBucketName: { value: "planted.artifacts", secret: false },
    bindAddress: { value: "127.0.0.2", secret: false },
    mlflowWorkers: { value: "1", secret: false },
    mlflowMemory: { value: "1500", secret: false },
    mlflowCpus: { value: "1.5", secret: false },
    minioMemory: { value: "800", secret: false },
    minioCpus: { value: "0.75", secret: false },
    pgMemory: { value: "600", secret: false },
    pgCpus: { value: "0.5", secret: false },
};

/** The header of a login. */
export function basic(name = "", password = ""): { authorization: string } {
    return { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}` };
}

/** Whether nobody listens on a port of this host's loopback address. */
async function isFree(port: number): Promise<boolean> {
    const server = createServer();
    return new Promise((resolve) => {
        server.once("error", () => {
            resolve(false);
        });
        server.listen(port, "127.0.0.1", () => {
            server.close(() => {
                resolve(true);
            });
        });
    });
}

/** TCP ports that nobody listens on. They lie below those that a system gives to outgoing connections, so they stay free. */
export async function freePorts(count: number): Promise<number[]> {
    const ports = new Set<number>();
    while (ports.size < count) {
        const port = randomInt(15_000, 30_000);
        if (await isFree(port)) {
            ports.add(port);
        }
    }
    return [...ports];
}

/** Makes a stack, with free ports unless some are given (MLflow's, S3's, the console's); it is not up yet. */
export async function initStack(
    checkout: Checkout,
    stack: string,
    ports?: readonly number[],
): Promise<Platform["ports"]> {
    const [mlflow = 0, s3 = 0, console = 0] = ports ?? (await freePorts(3));
    await checkout.ok("pulumi", ["stack", "init", stack]);
    await checkout.set(stack, {
        mlflowPort: String(mlflow),
        minioPort: String(s3),
        minioConsoleAddress: `:${console}`,
        mlflowAuth: "false",
    });
    return { mlflow, s3, console };
}

/** Collects the arguments of all processes on this host until it is stopped. */
function watchArguments(): { stop: () => string[] } {
    const seen = new Set<string>();
    const timer = setInterval(() => {
        for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
            try {
                seen.add(readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "));
            } catch {
                // It ended in between.
            }
        }
    }, 20);
    return {
        stop: () => {
            clearInterval(timer);
            return [...seen];
        },
    };
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
    const checkout = await Checkout.make();
    const suffix = randomBytes(2).toString("hex");
    const made: string[] = [];
    const teardown = async () => {
        for (const stack of made) {
            // If this fails, the state has to stay: it is the only one that knows what is left on the engine.
            await checkout.ok("delete-data", [stack]);
        }
        checkout.remove();
    };
    try {
        const base = { directory: checkout.directory, stateHome: checkout.stateHome };
        const generated = `generated-${suffix}`;
        const generatedPorts = await initStack(checkout, generated);
        made.push(generated);
        const generatedOutput = await checkout.ok("start", ["--stack", generated], {}, true);

        const planted = `planted-${suffix}`;
        const plantedPorts = await initStack(checkout, planted);
        made.push(planted);
        const data = join(dirname(checkout.directory), "minio-data");
        mkdirSync(data);
        chownSync(data, 1000, 1000);
        const entries = Object.entries(plantedValues);
        const plain = entries.filter(([, { secret }]) => !secret).map(([key, { value }]) => [key, value] as const);
        await checkout.set(planted, { ...Object.fromEntries(plain), minioVolumePath: data });
        for (const [key, { value }] of entries.filter(([, { secret }]) => secret)) {
            // By standard input, as a user does who does not want a secret in the shell's history.
            const child = checkout.spawn("pulumi", ["config", "set", "--secret", key, "--stack", planted], {}, value);
            const { code, output } = await ending(child);
            if (code !== 0) {
                throw new Error(output);
            }
        }
        const watch = watchArguments();
        const plantedOutput = await checkout.ok("start", ["--stack", planted], {}, true);
        project.provide("seenArguments", watch.stop());
        project.provide("minioData", data);
        project.provide(
            "plantedSecrets",
            Object.fromEntries(
                Object.entries(plantedValues)
                    .filter(([, { secret }]) => secret)
                    .map(([key, { value }]) => [key, value]),
            ),
        );
        project.provide("generated", {
            ...base,
            stack: generated,
            ports: generatedPorts,
            trackingUri: `http://127.0.0.1:${generatedPorts.mlflow}`,
            login: {},
            startOutput: generatedOutput,
        });
        project.provide("planted", {
            ...base,
            stack: planted,
            ports: plantedPorts,
            trackingUri: `http://127.0.0.2:${plantedPorts.mlflow}`,
            login: {
                MLFLOW_TRACKING_USERNAME: plantedValues.adminUsername?.value ?? "",
                MLFLOW_TRACKING_PASSWORD: plantedValues.adminPassword?.value ?? "",
            },
            startOutput: plantedOutput,
        });
    } catch (error) {
        await teardown();
        throw error;
    }
    return teardown;
}
