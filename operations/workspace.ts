/** Pulumi's CLI with this user's home, backend and passphrase, and stacks in it. */
import { createDecipheriv, pbkdf2Sync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { LocalWorkspace, type OutputMap, PulumiCommand, Stack } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { longestStackName } from "../config.ts";
import { type Places, makeState, projectName } from "./places.ts";
import { UserError } from "./userError.ts";

/** What the rest of the set-up found out, for the program and its plugins. */
export interface Surroundings {
    /** The engine's address. */
    readonly dockerHost?: string | undefined;
    /** The image that builds start from, where it is not the one in the Dockerfiles. */
    readonly baseImage?: string | undefined;
}

const require = createRequire(import.meta.url);

/** Directory of the CLI that belongs to the npm package `pulumi`, where that package itself looks for it. */
export function cliRoot(places: Places): string {
    const { version } = require("pulumi/package.json") as { version: string };
    return join(places.pulumiHome, "versions", version);
}

/** Runs Pulumi's CLI for what the Automation API does not offer. Returns its standard output. */
export async function runCli(
    places: Places,
    variables: Record<string, string>,
    args: readonly string[],
): Promise<string> {
    const { stdout } = await execa(join(cliRoot(places), "bin", "pulumi"), args, {
        cwd: places.project,
        env: variables,
    });
    return stdout;
}

/** The variables under which any `pulumi` command finds this user's stacks. What the user has set wins. */
export function pulumiVariables(
    places: Places,
    env: NodeJS.ProcessEnv,
    surroundings: Surroundings,
): Record<string, string> {
    const set = (name: string, value: string | undefined): Record<string, string> => {
        const chosen = env[name] ?? value;
        return chosen === undefined ? {} : { [name]: chosen };
    };
    const ownPassphrase = env.PULUMI_CONFIG_PASSPHRASE !== undefined;
    return {
        PULUMI_HOME: places.pulumiHome,
        ...set("PULUMI_BACKEND_URL", `file://${places.backend}`),
        ...set("PULUMI_CONFIG_PASSPHRASE", undefined),
        ...set("PULUMI_CONFIG_PASSPHRASE_FILE", ownPassphrase ? undefined : places.passphrase),
        PULUMI_SKIP_UPDATE_CHECK: "true",
        // Empty counts as unset, as for the docker command.
        ...(env.DOCKER_HOST || surroundings.dockerHost === undefined
            ? set("DOCKER_HOST", undefined)
            : { DOCKER_HOST: surroundings.dockerHost }),
        // The provider would prefer it to the host, and everything else here goes by the host.
        ...(env.DOCKER_CONTEXT === undefined ? {} : { DOCKER_CONTEXT: "" }),
        // What was decided, also against the variable: empty counts as unset.
        ...(surroundings.baseImage === undefined && env.MLFLOW_PLATFORM_BASE_IMAGE === undefined
            ? {}
            : { MLFLOW_PLATFORM_BASE_IMAGE: surroundings.baseImage ?? "" }),
        PATH: [join(cliRoot(places), "bin"), env.PATH ?? ""].join(delimiter),
    };
}

/** A stack's outputs without what the Automation API says about each. */
export function valuesOf(outputs: OutputMap): Record<string, unknown> {
    return Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value as unknown]));
}

/** File of a stack's configuration. */
export function stackFile(places: Places, stackName: string): string {
    return join(places.project, `Pulumi.${stackName}.yaml`);
}

/**
 * Whether a stack's salt was made with the passphrase. Pulumi writes the word "pulumi" encrypted beside the salt
 * (pulumi/pulumi, pkg/secrets/passphrase; key: PBKDF2 of SHA-256, a million rounds; AES-256-GCM with a 12-byte nonce).
 */
export function saltFits(salt: string, passphrase: string): boolean {
    const [, bytes, , nonce, sealed] = salt.split(":").map((part) => Buffer.from(part, "base64"));
    if (bytes === undefined || nonce === undefined || sealed === undefined) {
        return false;
    }
    try {
        const key = pbkdf2Sync(passphrase, bytes, 1_000_000, 32, "sha256");
        const decipher = createDecipheriv("aes-256-gcm", key, nonce);
        decipher.setAuthTag(sealed.subarray(-16));
        decipher.update(sealed.subarray(0, -16));
        decipher.final();
        return true;
    } catch {
        return false;
    }
}

/** The passphrase that Pulumi would take from these variables. */
function passphraseOf(variables: Record<string, string>): string {
    const file = variables.PULUMI_CONFIG_PASSPHRASE_FILE;
    return variables.PULUMI_CONFIG_PASSPHRASE ?? (file === undefined ? "" : readFileSync(file, "utf8").trim());
}

/**
 * Drops a salt that belongs to another passphrase from the text of a stack's file, where nothing in it is encrypted with
 * that. Throws a UserError where something is.
 */
export function withFittingSalt(stackName: string, content: string, passphrase: string): string {
    const salt = /^encryptionsalt:\s*(\S+)/m.exec(content)?.[1];
    if (salt === undefined || saltFits(salt, passphrase)) {
        return content;
    }
    const secure = [...content.matchAll(/^\s*([\w:.-]+):\s*\{?\s*secure:/gm)].map((match) => match[1] ?? "");
    if (secure.length > 0) {
        throw new UserError(
            `Pulumi.${stackName}.yaml holds values that were encrypted with another passphrase: ${secure.join(", ")}.`,
            "Give that passphrase by PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE, or remove these values and " +
                "the line encryptionsalt and set them again (npm run pulumi -- config set --secret …).",
        );
    }
    return content.replace(/^encryptionsalt:.*\n?/m, "");
}

/**
 * The Automation API's view of one stack. A stack that the backend does not have is made, unless `existing` asks for one
 * that is there.
 */
export async function openStack(
    places: Places,
    stackName: string,
    variables: Record<string, string>,
    existing = false,
): Promise<Stack> {
    const longest = longestStackName(projectName);
    if (!/^[A-Za-z0-9_.-]+$/.test(stackName) || (!existing && stackName.length > longest)) {
        throw new UserError(
            `"${stackName}" is not a stack's name.`,
            `Use 1 to ${longest} letters, digits, dots, hyphens and underscores.`,
        );
    }
    makeState(places);
    const file = stackFile(places, stackName);
    if (existsSync(file)) {
        const content = readFileSync(file, "utf8");
        const fitting = withFittingSalt(stackName, content, passphraseOf(variables));
        if (fitting !== content) {
            writeFileSync(file, fitting);
        }
    }
    const workspace = await LocalWorkspace.create({
        workDir: places.project,
        pulumiHome: places.pulumiHome,
        pulumiCommand: await PulumiCommand.get({ root: cliRoot(places) }),
        envVars: variables,
    });
    if (existing) {
        const names = (await workspace.listStacks()).map(({ name }) => name);
        if (!names.includes(stackName)) {
            throw new UserError(
                `There is no stack ${stackName} in ${variables.PULUMI_BACKEND_URL ?? "the backend"}.`,
                names.length === 0 ? "There is none at all: npm start makes one." : `There are: ${names.join(", ")}.`,
            );
        }
    }
    return Stack.createOrSelect(stackName, workspace);
}
