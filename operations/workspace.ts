/** Pulumi's CLI with this user's home, backend and passphrase, and stacks in it. */
import { createDecipheriv, pbkdf2Sync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { LocalWorkspace, type OutputMap, PulumiCommand, Stack } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { YAMLParseError, parse } from "yaml";
import { longestStackName } from "../config.ts";
import { directoryOf, saltOf, unknownStack } from "./backend.ts";
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

/** Directory of the CLI of the SDK's version. */
export function cliRoot(places: Places): string {
    const { version } = require("@pulumi/pulumi/package.json") as { version: string };
    return join(places.pulumiHome, "versions", version);
}

/** Runs Pulumi's CLI for what the Automation API does not offer; `input` is its standard input. Returns its standard output. */
export async function runCli(
    places: Places,
    variables: Record<string, string>,
    args: readonly string[],
    input?: string,
): Promise<string> {
    const { stdout } = await execa(join(cliRoot(places), "bin", "pulumi"), args, {
        cwd: places.project,
        env: variables,
        ...(input === undefined ? {} : { input }),
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
 * (pulumi/pulumi, pkg/secrets/passphrase; key: PBKDF2 of SHA-256, a million rounds; AES-256-GCM with a 12-byte nonce). A
 * format that is not known here counts as fitting: Pulumi itself then says what is wrong.
 */
export function saltFits(salt: string, passphrase: string): boolean {
    const parts = salt.split(":");
    if (parts[0] !== "v1" || (parts[2] ?? "v1") !== "v1") {
        return true;
    }
    const asked = `${salt}\n${passphrase}`;
    const known = fitting.get(asked) ?? derivesKeyOf(salt, passphrase);
    fitting.set(asked, known);
    return known;
}

/** What was found out: a derivation takes half a second, and a stack's file mostly has the same salt as its state. */
const fitting = new Map<string, boolean>();

function derivesKeyOf(salt: string, passphrase: string): boolean {
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

/** The passphrase that Pulumi would take from these variables. Throws a UserError where its file cannot be read. */
export function passphraseOf(variables: Record<string, string>): string {
    const file = variables.PULUMI_CONFIG_PASSPHRASE_FILE;
    if (variables.PULUMI_CONFIG_PASSPHRASE !== undefined || file === undefined) {
        return variables.PULUMI_CONFIG_PASSPHRASE ?? "";
    }
    try {
        return readFileSync(file, "utf8").trim();
    } catch (error) {
        const why = (error as NodeJS.ErrnoException).code === "ENOENT" ? "is not there" : (error as Error).message;
        throw new UserError(
            `The file of the passphrase, ${file}, ${why}.`,
            "Put it back from your backup, or give the passphrase by PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE.\n" +
                "Without it nobody can read the secrets of the stacks in this state, nor manage them.",
        );
    }
}

/**
 * Throws a UserError where the passphrase is not the one that the stack's state is encrypted with, as far as that can be
 * seen: in a `file://` backend.
 */
export function requirePassphrase(stackName: string, variables: Record<string, string>): void {
    const passphrase = passphraseOf(variables);
    const directory = directoryOf(variables.PULUMI_BACKEND_URL ?? "");
    const salt = directory === undefined ? undefined : saltOf(directory, stackName);
    if (salt !== undefined && !saltFits(salt, passphrase)) {
        const given = ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"].find((name) => name in variables);
        throw new UserError(
            `The passphrase does not fit the state of stack ${stackName} (it is that of ${
                given === "PULUMI_CONFIG_PASSPHRASE_FILE" ? (variables[given] ?? "") : (given ?? "no variable")
            }).`,
            "Give the one that the stack was made with: put its file back from your backup, or set PULUMI_CONFIG_PASSPHRASE or " +
                "PULUMI_CONFIG_PASSPHRASE_FILE.\nWithout it nobody can read the stack's secrets, nor manage it.",
        );
    }
}

/** Throws a UserError where a stack's file cannot be read as YAML, or is not what Pulumi reads. */
export function requireReadable(stackName: string, content: string): void {
    const cure = `Mend Pulumi.${stackName}.yaml in an editor, or bring it back as it was (git checkout Pulumi.${stackName}.yaml).`;
    let parsed: unknown;
    try {
        parsed = parse(content);
    } catch (error) {
        const where = error instanceof YAMLParseError ? (error.linePos?.[0].line ?? 0) : 0;
        const why = (error as Error).message.split("\n")[0]?.replace(/ at line \d+, column \d+:?$/, "") ?? "";
        throw new UserError(`Pulumi.${stackName}.yaml is no valid YAML: line ${where}: ${why}.`, cure);
    }
    const isMap = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
    if (parsed !== null && (!isMap(parsed) || ("config" in (parsed as object) && !isConfig(parsed, isMap)))) {
        throw new UserError(`Pulumi.${stackName}.yaml has no map of keys under "config:".`, cure);
    }
}

function isConfig(parsed: unknown, isMap: (value: unknown) => boolean): boolean {
    const { config } = parsed as { config: unknown };
    return config === null || isMap(config);
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

/** Names of the stacks in the backend of a workspace that is open. It makes nothing. */
export async function namesIn(
    workspace: LocalWorkspace,
    places: Places,
    variables: Record<string, string>,
): Promise<string[]> {
    if (variables.PULUMI_BACKEND_URL === `file://${places.backend}` && !existsSync(places.backend)) {
        return [];
    }
    return (await workspace.listStacks()).map(({ name }) => name);
}

/** Names of the stacks in the backend. It makes nothing. */
export async function stackNames(places: Places, variables: Record<string, string>): Promise<string[]> {
    return namesIn(await openWorkspace(places, variables), places, variables);
}

/** Throws a UserError where Pulumi could not read a stack's file or state. Returns the file's text with a salt that fits. */
function readableFile(places: Places, stackName: string, variables: Record<string, string>): string | undefined {
    requirePassphrase(stackName, variables);
    const file = stackFile(places, stackName);
    if (!existsSync(file)) {
        return undefined;
    }
    const content = readFileSync(file, "utf8");
    requireReadable(stackName, content);
    return withFittingSalt(stackName, content, passphraseOf(variables));
}

/**
 * Throws a UserError where Pulumi could not read a stack's file or state. Drops a salt that belongs to another passphrase
 * from the file, where nothing in it is encrypted with that.
 */
function settleFile(places: Places, stackName: string, variables: Record<string, string>): void {
    const fitting = readableFile(places, stackName, variables);
    const file = stackFile(places, stackName);
    if (fitting !== undefined && fitting !== readFileSync(file, "utf8")) {
        writeFileSync(file, fitting);
    }
}

/** The Automation API's view of all stacks, from the project or from a copy of it. */
export async function openWorkspace(
    places: Places,
    variables: Record<string, string>,
    directory = places.project,
): Promise<LocalWorkspace> {
    return LocalWorkspace.create({
        workDir: directory,
        pulumiHome: places.pulumiHome,
        pulumiCommand: await PulumiCommand.get({ root: cliRoot(places) }),
        envVars: variables,
    });
}

/** Throws a UserError where a stack cannot have the name. */
export function checkStackName(stackName: string, longest = longestStackName(projectName)): void {
    if (!/^[A-Za-z0-9_.-]+$/.test(stackName) || stackName.length > longest) {
        throw new UserError(
            `"${stackName}" is not a stack's name.`,
            `Use 1 to ${longestStackName(projectName)} letters, digits, dots, hyphens and underscores.`,
        );
    }
}

/** Throws a UserError where the backend does not have the stack. */
async function requireStack(
    workspace: LocalWorkspace,
    places: Places,
    stackName: string,
    variables: Record<string, string>,
): Promise<void> {
    const names = await namesIn(workspace, places, variables);
    if (!names.includes(stackName)) {
        throw unknownStack(stackName, names, variables.PULUMI_BACKEND_URL ?? "the backend");
    }
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
    // One that is there may have been named otherwise.
    checkStackName(stackName, existing ? Infinity : undefined);
    makeState(places);
    settleFile(places, stackName, variables);
    const workspace = await openWorkspace(places, variables);
    if (existing) {
        await requireStack(workspace, places, stackName, variables);
    }
    return Stack.createOrSelect(stackName, workspace);
}

/** A stack that is only read. */
export type ReadStack = Pick<Stack, "name" | "getAllConfig" | "exportStack" | "outputs">;

/** The same for one that is only read: it is not selected, and an update may be under way. */
export async function readStack(
    places: Places,
    stackName: string,
    variables: Record<string, string>,
): Promise<ReadStack> {
    checkStackName(stackName, Infinity);
    const workspace = await openWorkspace(places, variables);
    await requireStack(workspace, places, stackName, variables);
    readableFile(places, stackName, variables);
    return {
        name: stackName,
        getAllConfig: () => workspace.getAllConfig(stackName),
        exportStack: () => workspace.exportStack(stackName),
        outputs: () => workspace.stackOutputs(stackName),
    };
}
