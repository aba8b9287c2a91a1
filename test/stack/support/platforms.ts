/**
 * Platforms for tests, made by the project's own commands: `generated` has the configuration of the stack dev, without login, but
 * for its ports; `planted` has a login, and a known value for everything secret.
 */
import { randomBytes, randomInt } from "node:crypto";
import { chownSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
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

/** The secret ones among them, by key. */
export const plantedSecrets: Readonly<Record<string, string>> = Object.fromEntries(
    Object.entries(plantedValues)
        .filter(([, { secret }]) => secret)
        .map(([key, { value }]) => [key, value]),
);

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

/**
 * TCP ports that nobody listens on. They lie below those that a system gives to outgoing connections, so they stay free; each
 * worker has a range of its own, so that two do not find the same one.
 */
export async function freePorts(count: number): Promise<number[]> {
    const first = 15_000 + 5000 * (Number(process.env.VITEST_POOL_ID ?? 0) % 3);
    const ports = new Set<number>();
    while (ports.size < count) {
        const port = randomInt(first, first + 5000);
        if (await isFree(port)) {
            ports.add(port);
        }
    }
    return [...ports];
}

/** Makes a stack with free ports; it is not up yet. */
export async function initStack(checkout: Checkout, stack: string): Promise<Platform["ports"]> {
    const [mlflow = 0, s3 = 0, console = 0] = await freePorts(3);
    await checkout.ok("pulumi", ["stack", "init", stack]);
    await checkout.set(stack, {
        mlflowPort: String(mlflow),
        minioPort: String(s3),
        minioConsoleAddress: `:${console}`,
        mlflowAuth: "false",
    });
    return { mlflow, s3, console };
}

/** A stack's name that no other test has. */
const named = (kind: string) => `${kind}-${randomBytes(2).toString("hex")}`;

/** Makes a platform as dev is, without login. */
export async function makeGenerated(checkout: Checkout): Promise<Platform> {
    const stack = named("generated");
    const ports = await initStack(checkout, stack);
    return {
        directory: checkout.directory,
        stateHome: checkout.stateHome,
        stack,
        ports,
        trackingUri: `http://127.0.0.1:${ports.mlflow}`,
        login: {},
        startOutput: await checkout.ok("start", ["--stack", stack], {}, true),
    };
}

/** The host's directory with the objects of a checkout's `planted`. */
export function minioDataOf({ directory }: { readonly directory: string }): string {
    return join(dirname(directory), "minio-data");
}

/** Makes a platform with every value of `plantedValues`. */
export async function makePlanted(checkout: Checkout): Promise<Platform> {
    const stack = named("planted");
    const ports = await initStack(checkout, stack);
    const minioVolumePath = minioDataOf(checkout);
    mkdirSync(minioVolumePath);
    chownSync(minioVolumePath, 1000, 1000);
    const plain = Object.entries(plantedValues).filter(([, { secret }]) => !secret);
    await checkout.set(stack, {
        ...Object.fromEntries(plain.map(([key, { value }]) => [key, value])),
        minioVolumePath,
    });
    for (const [key, value] of Object.entries(plantedSecrets)) {
        // By standard input, as a user does who does not want a secret in the shell's history.
        const child = checkout.spawn("pulumi", ["config", "set", "--secret", key, "--stack", stack], {}, value);
        const { code, output } = await ending(child);
        if (code !== 0) {
            throw new Error(output);
        }
    }
    return {
        directory: checkout.directory,
        stateHome: checkout.stateHome,
        stack,
        ports,
        trackingUri: `http://127.0.0.2:${ports.mlflow}`,
        login: {
            MLFLOW_TRACKING_USERNAME: plantedValues.adminUsername?.value ?? "",
            MLFLOW_TRACKING_PASSWORD: plantedSecrets.adminPassword ?? "",
        },
        startOutput: await checkout.ok("start", ["--stack", stack], {}, true),
    };
}
