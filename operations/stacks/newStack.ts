/** `npm run new-stack`: a stack and its `Pulumi.<name>.yaml`, by questions or by options. */
import { readFileSync } from "node:fs";
import { stringify } from "yaml";
import { configurationProblems, keys } from "../../config.ts";
import { isLocal } from "../../hostCheck.ts";
import { isTaken } from "../../localHost.ts";
import { readUserFile, userPath } from "./importEnv.ts";
import { type Places, projectName } from "../places.ts";
import { installTools, planWithoutEngine } from "../platform.ts";
import { asTexts, portsOfOthers, readSettings, stackFiles } from "./stackFile.ts";
import { type Given, Missing, type Questioner, completeWishes, terminal } from "./stackQuestions.ts";
import { type Ports, isSecretKey, neededSecrets, proposePorts, settingsOf } from "./stackWishes.ts";
import { UserError } from "../userError.ts";
import { checkStackName, stackNames } from "../workspace.ts";
import { writeStack } from "./writeStack.ts";

/** Options of `npm run new-stack`. */
export interface NewStackOptions extends Given {
    /** `key=value` in plain text. */
    readonly set: readonly string[];
    /** `key=file`. */
    readonly secretFile: readonly string[];
    readonly from?: string | undefined;
    readonly yes?: boolean | undefined;
}

/** Takes `key=value` options apart. Throws a UserError for one without `=`, and for a secret key among plain ones. */
export function pairsOf(option: string, pairs: readonly string[], secret: boolean): Record<string, string> {
    return Object.fromEntries(
        pairs.map((pair) => {
            const [, key, value] = /^([^=]+)=([^]*)$/.exec(pair) ?? [];
            if (key === undefined || value === undefined) {
                throw new UserError(`${option} has no "=": ${pair}`, `Give key and value: ${option} key=…`);
            }
            if (isSecretKey(key) !== secret) {
                throw new UserError(
                    secret
                        ? `${key} is no secret key.`
                        : `${key} is secret, and an option's value can be seen by others.`,
                    secret
                        ? `Use --set ${key}=…, or one of ${Object.keys(keys).filter(isSecretKey).join(", ")}.`
                        : `Use --secret-file ${key}=FILE, or ${key}=- for standard input.`,
                );
            }
            return [key, value];
        }),
    );
}

/** Reads secrets from their files; the line's end at a file's end is no part of it. */
function readSecrets(files: Readonly<Record<string, string>>, env: NodeJS.ProcessEnv): Record<string, string> {
    const fromInput = Object.keys(files).filter((key) => files[key] === "-");
    if (fromInput.length > 1) {
        throw new UserError(
            `There is one standard input, and it is named for ${fromInput.join(" and ")}.`,
            "Give the others a file each.",
        );
    }
    return Object.fromEntries(
        Object.entries(files).map(([key, file]) => {
            const text = file === "-" ? readFileSync(0, "utf8") : readUserFile(userPath(file, env));
            return [key, text.replace(/\r?\n$/, "")];
        }),
    );
}

/** Throws a UserError where a stack of that name cannot be made. */
function checkIsNew(name: string, stacks: readonly string[], files: ReadonlyMap<string, string>): void {
    checkStackName(name);
    if (stacks.includes(name)) {
        throw new UserError(
            `There is a stack ${name} already.`,
            `npm start -- --stack ${name} brings it up; npm run pulumi -- config set … --stack ${name} changes it.`,
        );
    }
    if (files.has(name)) {
        throw new UserError(
            `There is a file Pulumi.${name}.yaml already.`,
            `npm start -- --stack ${name} makes the stack that it describes; for another one with its settings:\n` +
                `  npm run new-stack -- NAME --from ${name}`,
        );
    }
}

/** What the stack is made from: the plain settings of another one's file. */
function baseOf(from: string | undefined, files: ReadonlyMap<string, string>): Record<string, unknown> {
    if (from === undefined) {
        return {};
    }
    const text = files.get(from);
    if (text === undefined) {
        throw new UserError(`There is no Pulumi.${from}.yaml.`, `There are: ${[...files.keys()].join(", ")}.`);
    }
    return { ...readSettings(`Pulumi.${from}.yaml`, text).plain };
}

/** Text of the new file. */
export function newFile(settings: Readonly<Record<string, unknown>>, from: string | undefined): string {
    const config = Object.fromEntries(Object.entries(settings).map(([key, value]) => [`${projectName}:${key}`, value]));
    const origin = from === undefined ? "" : ` from Pulumi.${from}.yaml`;
    return (
        `# Made by npm run new-stack${origin}. Keys and defaults: docs/configuration.md.\n` +
        stringify({ config }, { lineWidth: 0 })
    );
}

/** Runs the command. Without a questioner nothing is asked. */
export async function newStack(
    nameGiven: string | undefined,
    options: NewStackOptions,
    places: Places,
    env: NodeJS.ProcessEnv,
    questioner: Questioner | undefined = process.stdin.isTTY && process.stdout.isTTY && !options.yes
        ? terminal
        : undefined,
): Promise<void> {
    const others = pairsOf("--set", options.set, false);
    const secrets = readSecrets(pairsOf("--secret-file", options.secretFile, true), env);
    const files = stackFiles(places);
    const base = baseOf(options.from, files);
    const { toolchain, variables } = await planWithoutEngine(places, env, undefined);
    await installTools(toolchain, places, env, (line) => {
        console.log(line);
    });
    const stacks = await stackNames(places, variables);
    const missing = new Missing();
    const ask = questioner && (() => questioner.text("Name of the stack"));
    const name = (await missing.of("the stack's name", nameGiven, undefined, ask)) ?? "";
    if (name !== "") {
        checkIsNew(name, stacks, files);
    }
    const wishes = await completeWishes(options, others, asTexts(base), options.yes ?? false, questioner, missing);

    const wanted = settingsOf(wishes, base);
    if (wishes.certificate === "acme" && wanted.mlflowPort === undefined) {
        // Where the authority asks.
        wanted.mlflowPort = "443";
    }
    const address = typeof wanted.bindAddress === "string" ? wanted.bindAddress : "127.0.0.1";
    const here = isLocal(variables.DOCKER_HOST);
    const proposal = await proposePorts(
        wanted,
        new Set(portsOfOthers(places, [...files.keys()]).keys()),
        async (port) => !here || !(await isTaken(port, address)),
    );
    const ports = await missing.of(
        "--ports",
        wishes.ports,
        proposal,
        questioner && (async () => portsIn(await questioner.text("Ports of MLflow, S3, console", proposal?.join(",")))),
    );
    const settings = settingsOf({ ...wishes, ports }, wanted);
    for (const key of neededSecrets(settings)) {
        const value = await missing.of(
            `--secret-file ${key}=FILE`,
            secrets[key],
            undefined,
            questioner && (() => questioner.secret(`${key} (is not shown)`)),
        );
        if (value !== undefined) {
            secrets[key] = value;
        }
    }
    missing.throwIfAny();

    const { problems } = await configurationProblems(
        {
            values: { ...asTexts(settings), ...secrets },
            secrets: new Set(Object.keys(secrets)),
            baseImage: variables.MLFLOW_PLATFORM_BASE_IMAGE,
        },
        {},
        { project: projectName, stack: name, engine: variables.DOCKER_HOST },
    );
    if (problems.length > 0) {
        throw new UserError(
            `No stack was made, because of ${problems.length === 1 ? "a problem" : `${problems.length} problems`}:\n` +
                problems.map((line) => `  ${line}`).join("\n"),
            "Answer otherwise, or give the key by --set or --secret-file.",
        );
    }
    const text = newFile(settings, options.from);
    if (questioner !== undefined) {
        console.log(`\n${text}`);
        if (!(await questioner.yes(`Make stack ${name}?`, true))) {
            throw new UserError("No stack was made.", "Run npm run new-stack again when you like.");
        }
    }
    await writeStack({ stackName: name, exists: false, text, secrets }, places, variables);
    console.log(
        `Stack ${name} is made: Pulumi.${name}.yaml${Object.keys(secrets).length > 0 ? ", secrets encrypted" : ""}. Next:\n` +
            `  npm start -- --stack ${name}` +
            (wishes.login ? `\n  npm run --silent user -- add <person> --stack ${name}` : ""),
    );
}

/** Three ports in an answer. */
function portsIn(text: string): Ports {
    const [mlflow = "", s3 = "", console = ""] = text.split(",").map((port) => port.trim());
    return [mlflow, s3, console];
}
