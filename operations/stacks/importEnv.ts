/** `npm run import-env`: takes a Compose file's `.env` over into a stack's configuration. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, resolve } from "node:path";
import { execa } from "execa";
import { keyProblems, keys, publishedPorts } from "../../config.ts";
import { hostProblems } from "../../hostCheck.ts";
import type { LastUpdate } from "../../lastUpdate.ts";
import { type ComposeEnv, readComposeEnv } from "./composeEnv.ts";
import { outputsOf, resourcesOf } from "../engineObjects.ts";
import { type Import, type ImportOptions, composeKeys, decideImport } from "./importDecisions.ts";
import { importTable } from "./importTable.ts";
import { type Places, projectName } from "../places.ts";
import { installTools, planWithoutEngine } from "../platform.ts";
import { asTexts, portsOfOthers, readSettings, stackText, withValues } from "./stackFile.ts";
import { stackEngine } from "../stackEngine.ts";
import { UserError } from "../userError.ts";
import { checkStackName, openStack, stackFile, stackNames } from "../workspace.ts";
import { putBack, writeStack } from "./writeStack.ts";

/** Options of `npm run import-env`. */
export interface ImportEnvOptions extends ImportOptions {
    readonly stack: string;
    readonly dryRun?: boolean | undefined;
    readonly overwrite?: boolean | undefined;
}

/** What a stack has set so far. */
export interface Current {
    readonly exists: boolean;
    /** The other stacks that are there. */
    readonly others: readonly string[];
    /** Key → text; of what is encrypted and cannot be read here, the empty string. */
    readonly values: Readonly<Record<string, string>>;
    readonly secrets: ReadonlySet<string>;
    readonly last: LastUpdate;
}

/** Reads the text of a file that a user names, as UTF-8. Throws a UserError where that cannot be. */
export function readUserFile(path: string): string {
    try {
        return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
    } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        throw code === "ERR_ENCODING_INVALID_ENCODED_DATA"
            ? new UserError(`${path} is not UTF-8 text.`, "Save it as UTF-8 and run this again.")
            : new UserError(
                  `${path} cannot be read (${code ?? String(error)}).`,
                  "Name a file that is there and may be read.",
              );
    }
}

/** The path that a user means: npm runs commands in the project, whatever directory the user is in. */
export function userPath(file: string, env: NodeJS.ProcessEnv): string {
    return resolve(env.INIT_CWD ?? process.cwd(), file);
}

/** What the stack has set, decrypted. It makes no stack. */
async function currentOf(stackName: string, places: Places, variables: Record<string, string>): Promise<Current> {
    const names = await stackNames(places, variables);
    const others = names.filter((name) => name !== stackName);
    if (names.length > others.length) {
        const stack = await openStack(places, stackName, variables, true);
        const prefix = `${projectName}:`;
        const all = Object.entries(await stack.getAllConfig()).filter(([name]) => name.startsWith(prefix));
        const own = all.map(([name, entry]) => [name.slice(prefix.length), entry] as const);
        return {
            exists: true,
            others,
            // Those that the project's file gives are no values of this stack.
            values: Object.fromEntries(
                own
                    .filter(([name]) => name in settingsIn(stackFile(places, stackName)))
                    .map(([name, { value }]) => [name, value]),
            ),
            secrets: new Set(own.filter(([, { secret }]) => secret).map(([name]) => name)),
            last: outputsOf(resourcesOf(await stack.exportStack())),
        };
    }
    const settings = settingsIn(stackFile(places, stackName));
    const secrets = Object.keys(settings).filter((key) => settings[key] === undefined);
    return {
        exists: false,
        others,
        values: Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, value ?? ""])),
        secrets: new Set(secrets),
        last: {},
    };
}

/** Key → text of a stack's file; undefined for what is encrypted. */
function settingsIn(file: string): Record<string, string | undefined> {
    const { plain, secure } = readSettings(file, stackText(file) ?? "");
    return { ...asTexts(plain), ...Object.fromEntries(secure.map((key) => [key, undefined])) };
}

const isSecret = (key: string) => "secret" in keys[key as keyof typeof keys];

/** Values that a stack has already, but others; a line for each, without what is secret. */
export function differences(values: Readonly<Record<string, string>>, current: Current): string[] {
    return Object.entries(values)
        .filter(([key, value]) => key in current.values && current.values[key] !== value)
        .map(([key, value]) =>
            isSecret(key)
                ? `${key}: the stack has another value, which is secret`
                : `${key}: ${current.values[key] ?? ""} in the stack, ${value} by the file`,
        );
}

/** Everything that keeps an import from being written: lines for the user, without what is secret. */
export function importProblems(
    env: ComposeEnv,
    { rows, values }: Import,
    current: Current,
    stack: string,
): { problems: string[]; value: ReturnType<typeof keyProblems>["value"] } {
    const variableOf = new Map([...composeKeys].map(([variable, key]) => [key as string, variable]));
    const secrets = new Set([...current.secrets, ...Object.keys(values).filter(isSecret)]);
    const found = keyProblems({ values: { ...current.values, ...values }, secrets }, current.last, {
        project: projectName,
        stack,
    });
    const refused = rows.filter(({ decision }) => decision === "refused");
    return {
        value: found.value,
        problems: [
            ...env.problems,
            ...refused.map(({ variable, why }) => `${variable}: ${why}`),
            ...found.problems.map((problem) => {
                const [key = ""] = problem.split(":");
                const variable = variableOf.get(key);
                return variable === undefined ? problem : `${variable} (${key})${problem.slice(key.length)}`;
            }),
        ],
    };
}

/** What a user should know besides the table. */
function notes({ repeated, unresolved }: ComposeEnv): string[] {
    return [
        ...repeated.map((name) => `${name} stands there more than once: the last one counts, as for Compose.`),
        ...unresolved.map(
            ({ variable, missing }) =>
                `${variable} refers to ${missing}, which is not set: there is nothing in its place, as for Compose.`,
        ),
    ];
}

/** Names of the engine's volumes; undefined where no engine answers. */
async function volumes(variables: Record<string, string>): Promise<string[] | undefined> {
    const { exitCode, stdout } = await execa("docker", ["volume", "ls", "--quiet"], { env: variables, reject: false });
    return exitCode === 0 ? stdout.split("\n") : undefined;
}

/** Runs the command. */
export async function importEnv(
    file: string,
    options: ImportEnvOptions,
    places: Places,
    env: NodeJS.ProcessEnv,
): Promise<void> {
    const { stack: stackName } = options;
    checkStackName(stackName);
    const path = userPath(file, env);
    const read = readComposeEnv(readUserFile(path), env);
    const { toolchain, engine, variables } = await planWithoutEngine(places, env, stackEngine(places, stackName, env));
    await installTools(toolchain, places, env, (line) => {
        console.log(line);
    });
    const own = stackFile(places, stackName);
    const before = stackText(own);
    let written = false;
    try {
        const current = await currentOf(stackName, places, variables);
        const origin = {
            directory: dirname(path),
            home: homedir(),
            volumes: engine === undefined ? undefined : await volumes(variables),
        };
        const decided = decideImport(read.variables, origin, options);
        console.log(importTable(decided.rows, process.stdout.columns));
        for (const note of notes(read)) {
            console.log(`Note: ${note}`);
        }
        const { problems, value } = importProblems(read, decided, current, stackName);
        if (problems.length > 0) {
            throw new UserError(
                `Nothing was changed, because of ${problems.length === 1 ? "a problem" : `${problems.length} problems`}:\n` +
                    problems.map((line) => `  ${line}`).join("\n"),
                `Correct ${path}, or what stack ${stackName} has set, and run this again.`,
            );
        }
        const different = differences(decided.values, current);
        if (different.length > 0 && !options.overwrite) {
            throw new UserError(
                `Nothing was changed: stack ${stackName} has other values.\n${different.map((line) => `  ${line}`).join("\n")}`,
                "With --overwrite those of the file take their place.",
            );
        }
        const changed = Object.entries(decided.values).filter(([key, text]) => current.values[key] !== text);
        const ports = publishedPorts(value);
        const others = portsOfOthers(places, current.others);
        const toDo = [
            ...(await hostProblems(value, { project: projectName, stack: stackName, engine: variables.DOCKER_HOST })),
            ...Object.entries(ports).flatMap(([key, port]) => {
                const other = others.get(port);
                return other === undefined
                    ? []
                    : [
                          `${key}: port ${port} is also that of stack ${other}: --ports gives this one others, if both run`,
                      ];
            }),
        ];
        if (toDo.length > 0) {
            console.log(`\nBefore npm start:\n${toDo.map((line) => `  ${line}`).join("\n")}`);
        }
        if (options.dryRun) {
            console.log(
                `\nNothing was changed (--dry-run): ${changed.length} values would be set in stack ${stackName}.`,
            );
            return;
        }
        if (changed.length === 0 && current.exists) {
            console.log(`\nStack ${stackName} has all of it already: nothing to change.`);
            return;
        }
        await writeStack(
            {
                stackName,
                exists: current.exists,
                text: withValues(stackText(own) ?? "", Object.fromEntries(changed.filter(([key]) => !isSecret(key)))),
                secrets: Object.fromEntries(changed.filter(([key]) => isSecret(key))),
            },
            places,
            variables,
        );
        written = true;
        console.log(
            `\n${changed.length} values were set in stack ${stackName} (Pulumi.${stackName}.yaml), secrets encrypted. Next:\n` +
                `  npm start -- --stack ${stackName}` +
                (value.mlflowAuth
                    ? `\nIt has a login, which the Compose file has not: npm run --silent user -- add <name> --stack ${stackName}`
                    : ""),
        );
    } finally {
        if (!written) {
            putBack(own, before);
        }
    }
}
