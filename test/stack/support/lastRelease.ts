/**
 * Stacks of the last release: their states as it left them (lastRelease/, made by lastRelease/record.ts), and the
 * release itself, which makes such stacks on this engine.
 */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { placesOf } from "../../../operations/places.ts";
import { Checkout } from "./checkout.ts";
import { initStack } from "./platforms.ts";
import { setModels } from "./served.ts";

const project = join(import.meta.dirname, "../../..");

/** Where commit, states and configurations of the last release are. */
export const records = join(import.meta.dirname, "lastRelease");

/** The commit of the last release. */
export const release = readFileSync(join(records, "commit"), "utf8").trim();

/** What the recorded states are encrypted with. Their stacks are gone, so nothing is behind their secrets. */
export const passphrase = "of the recorded states";

/** Gives a checkout that has no stack yet the passphrase of the recorded states. */
export function takePassphrase({ stateHome }: Checkout): void {
    const file = placesOf({ XDG_STATE_HOME: stateHome }).passphrase;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, passphrase, { mode: 0o600 });
}

/** A checkout of another commit with the npm packages of its own lock file, and a state of its own. */
export async function checkoutOf(commit: string): Promise<Checkout> {
    const { exitCode } = await execa("git", ["cat-file", "-e", `${commit}^{commit}`], { cwd: project, reject: false });
    if (exitCode !== 0) {
        throw new Error(
            `this clone does not have commit ${commit}, the last release: get it by git fetch --unshallow, or ` +
                `git fetch origin ${commit}, and run this again`,
        );
    }
    const root = mkdtempSync(join(tmpdir(), "mlflow-platform-"));
    const directory = join(root, "checkout");
    mkdirSync(directory);
    await execa("git", ["archive", "--output", join(root, "release.tar"), commit], { cwd: project });
    await execa("tar", ["-xf", join(root, "release.tar"), "-C", directory]);
    await execa("npm", ["ci", "--include=dev", "--no-audit", "--no-fund"], { cwd: directory });
    return Checkout.at(directory, join(root, "state"));
}

/** The administrator of the stack with a login. */
export const administrator = { username: "admin", password: "administrator of the last release" };

/** The registered model that it serves, under the same name. */
export const model = "doubled";

/** Host by which it is called: the gateway's certificate is for an address, which needs no DNS. */
const publicHost = "127.0.0.1";

/**
 * Makes two stacks, not up yet: one like dev, and one with login, gateway, MinIO by TLS, and a served model with
 * its monitor. Three ports for the first, four for the second.
 */
export async function initStacks(
    checkout: Checkout,
    { plain, served }: { readonly plain: string; readonly served: string },
    [plainPorts, servedPorts]: readonly [readonly number[], readonly number[]],
): Promise<void> {
    await initStack(checkout, plain, plainPorts);
    await initStack(checkout, served, servedPorts);
    await checkout.set(served, {
        mlflowAuth: "true",
        adminPassword: administrator.password,
        publicHost,
        minioStorageUseHttps: "true",
        monitorUsername: administrator.username,
        monitorPassword: administrator.password,
    });
    await setModels(checkout, served, [
        {
            name: model,
            port: servedPorts[3] ?? 0,
            aliasPollSeconds: 1,
            requestSize: 1,
            recordSampleRate: 1,
            monitorSchedule: "0 0 1 1 *",
        },
    ]);
}
