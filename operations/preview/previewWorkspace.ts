/**
 * Where a preview runs: in a directory beside the project that has links to all of it, but stack files of its own. So no preview
 * writes into the project's (Pulumi adds its salt to a stack's file whenever it opens the stack).
 */
import { createHash, randomBytes } from "node:crypto";
import {
    existsSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    readdirSync,
    realpathSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { Stack } from "@pulumi/pulumi/automation/index.js";
import { parse } from "yaml";
import { type Missing, noEngine, throwAwayConfiguration } from "./placeholders.ts";
import { type Places, projectName } from "../places.ts";
import { UserError } from "../userError.ts";
import { namesIn, openWorkspace, passphraseOf, saltFits, stackFile, withFittingSalt } from "../workspace.ts";

/** What a stack is previewed against. */
export type Basis =
    | { readonly kind: "state" }
    /** Its state is compared with what is there. */
    | { readonly kind: "engine" }
    | {
          /** As if it were new, in a backend that is thrown away. */
          readonly kind: "throw-away";
          /** Why, in words that can follow a colon. */
          readonly reason: string;
      };

/** A stack that can be previewed. */
export interface Opened {
    readonly stack: Stack;
    readonly placeholders: Readonly<Record<string, Missing>>;
    /** Problems of the configuration that the program itself cannot see. */
    readonly problems: readonly string[];
    /** Keys that were left out. */
    readonly leftOut: readonly string[];
}

/** The stacks that have a file in the project, by name. */
export function stacksWithFile(project: string): string[] {
    return readdirSync(project)
        .flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? [])
        .sort();
}

/** A relative `file://` backend is relative to the project, which is another directory here. */
function backendUrl(url: string, project: string): string {
    const path = /^file:\/\/(.*)$/.exec(url)?.[1];
    return path === undefined || path.startsWith("~") || isAbsolute(path) ? url : `file://${resolve(project, path)}`;
}

/** Removes the note in Pulumi's home of which stack is selected in a directory (sdk/go/common/workspace, qualifiedFileName). */
export function forgetSelection({ pulumiHome }: Places, directory: string): void {
    const note = createHash("sha1").update(join(directory, "Pulumi.yaml")).digest("hex");
    rmSync(join(pulumiHome, "workspaces", `${projectName}-${note}-workspace.json`), { force: true });
}

/** Runs `act` in such a directory, and removes it. */
export async function inProjectCopy<T>(places: Places, act: (directory: string) => Promise<T>): Promise<T> {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), `${projectName}-preview-`)));
    try {
        for (const name of readdirSync(places.project).filter((file) => !/^Pulumi\..+\.yaml$/.test(file))) {
            symlinkSync(join(places.project, name), join(directory, name));
        }
        return await act(directory);
    } finally {
        rmSync(directory, { recursive: true, force: true });
        forgetSelection(places, directory);
    }
}

/** The stacks that the user's backend has; a text where it cannot be asked. */
async function knownStacks(
    directory: string,
    places: Places,
    variables: Record<string, string>,
): Promise<readonly string[] | string> {
    try {
        return await namesIn(await openWorkspace(places, variables, directory), places, variables);
    } catch (error) {
        return firstError(error);
    }
}

/** What an error of Pulumi's CLI says, in one line. */
export function firstError(error: unknown): string {
    const text = error instanceof Error ? error.message : String(error);
    return /(?:^|stderr: )error: (.*)$/m.exec(text)?.[1] ?? text.split("\n")[0] ?? "";
}

/** The salt of the secrets in an exported state, where a passphrase encrypts them. */
function saltOf(deployment: unknown): string | undefined {
    const { secrets_providers: providers } = (deployment ?? {}) as {
        secrets_providers?: { type?: string; state?: { salt?: string } };
    };
    return providers?.type === "passphrase" ? providers.state?.salt : undefined;
}

/** Opens the stack in the user's own backend; a reason, in words that can follow "because", where that cannot be. */
export async function openKnown(
    stackName: string,
    directory: string,
    places: Places,
    variablesOfProject: Record<string, string>,
): Promise<Stack | string> {
    const { PULUMI_BACKEND_URL: url = "" } = variablesOfProject;
    const variables = { ...variablesOfProject, PULUMI_BACKEND_URL: backendUrl(url, places.project) };
    const known = await knownStacks(directory, places, variables);
    if (typeof known === "string") {
        return `the backend cannot be asked (${known})`;
    }
    if (!known.includes(stackName)) {
        return `the backend has no stack ${stackName}`;
    }
    const file = stackFile(places, stackName);
    let passphrase: string;
    try {
        passphrase = passphraseOf(variables);
    } catch {
        return "there is no passphrase here";
    }
    try {
        writeFileSync(
            join(directory, `Pulumi.${stackName}.yaml`),
            existsSync(file) ? withFittingSalt(stackName, readFileSync(file, "utf8"), passphrase) : "",
        );
    } catch (error) {
        if (error instanceof UserError) {
            return "values in its file are encrypted with another passphrase";
        }
        throw error;
    }
    const stack = await Stack.select(stackName, await openWorkspace(places, variables, directory));
    const salt = saltOf((await stack.exportStack()).deployment);
    return salt === undefined || saltFits(salt, passphrase) ? stack : "its state is encrypted with another passphrase";
}

/** The variables of a throw-away stack: a backend and a passphrase of its own, whatever the user has set, and no engine. */
export function throwAwayVariables(variables: Record<string, string>, directory: string): Record<string, string> {
    return {
        ...variables,
        PULUMI_BACKEND_URL: `file://${join(directory, ".backend")}`,
        PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex"),
        PULUMI_CONFIG_PASSPHRASE_FILE: "",
        DOCKER_HOST: noEngine,
        DOCKER_CONTEXT: "",
    };
}

/** Makes the stack anew from its file, in a backend that goes with the directory. */
async function openThrowAway(
    stackName: string,
    directory: string,
    places: Places,
    variables: Record<string, string>,
): Promise<Opened> {
    const file = stackFile(places, stackName);
    const { config } = (parse(readFileSync(file, "utf8")) ?? {}) as { config?: Record<string, unknown> | null };
    const made = await throwAwayConfiguration(config ?? {}, (path) => existsSync(resolve(places.project, path)));
    for (const [name, content] of Object.entries(made.files)) {
        writeFileSync(join(directory, name), content);
    }
    const own = throwAwayVariables(variables, directory);
    mkdirSync(join(directory, ".backend"));
    writeFileSync(join(directory, `Pulumi.${stackName}.yaml`), made.text);
    const stack = await Stack.create(stackName, await openWorkspace(places, own, directory));
    const secrets = Object.entries(made.secrets).map(([key, value]) => [key, { value, secret: true }] as const);
    if (secrets.length > 0) {
        await stack.setAllConfig(Object.fromEntries(secrets));
    }
    return { stack, placeholders: made.placeholders, problems: made.problems, leftOut: made.leftOut };
}

/** Opens a stack for one preview: against its own state, or as a throw-away stack where that cannot be. */
export async function openForPreview(
    stackName: string,
    directory: string,
    places: Places,
    variables: Record<string, string>,
): Promise<Opened & { readonly basis: Basis }> {
    const known = await openKnown(stackName, directory, places, variables);
    if (typeof known !== "string") {
        return { stack: known, basis: { kind: "state" }, placeholders: {}, problems: [], leftOut: [] };
    }
    if (!existsSync(stackFile(places, stackName))) {
        throw new UserError(
            `There is no stack ${stackName}: no Pulumi.${stackName}.yaml here, and ${known}.`,
            `There are: ${stacksWithFile(places.project).join(", ")}.`,
        );
    }
    const opened = await openThrowAway(stackName, directory, places, variables);
    return { ...opened, basis: { kind: "throw-away", reason: known } };
}
