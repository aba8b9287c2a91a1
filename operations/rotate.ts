/** `npm run rotate`: other values for generated credentials, in the running services. */
import { type Configuration, generatedKeys } from "../config.ts";
import { resourcesOf } from "./engineObjects.ts";
import type { Places } from "./places.ts";
import { runSteps } from "./progress.ts";
import { configurationOf } from "./stackCheck.ts";
import { openExisting } from "./stop.ts";
import { table } from "./table.ts";
import { changesInWords, replaceNext, update } from "./update.ts";
import { UserError } from "./userError.ts";
import { runCli } from "./workspace.ts";

/** Name of the resource that holds a key's generated value: pgPassword is pg-password. */
export function resourceName(key: string): string {
    return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The keys whose generated values nobody uses in a stack with this configuration. */
function isUnused({ minioHost, pgHost, pgOwnerUser, pgAuthUser, mlflowAuth }: Configuration, key: string): boolean {
    return (
        (minioHost !== undefined && key.startsWith("minioRoot")) ||
        (pgHost !== undefined && pgOwnerUser === undefined && key === "pgOwnerPassword") ||
        (pgHost !== undefined && pgAuthUser === undefined && key === "pgAuthPassword") ||
        (!mlflowAuth && key === "adminPassword")
    );
}

const isSet = (configuration: Configuration, key: string) =>
    configuration[key as keyof typeof configuration] !== undefined;

/** Every key that can be rotated, and whether it can in a stack with this configuration. */
export function rotatable(configuration: Configuration): { key: string; words: string }[] {
    return generatedKeys.map((key) => ({
        key,
        words: isSet(configuration, key)
            ? "set in the configuration, so it is changed there"
            : isUnused(configuration, key)
              ? "not used in this stack"
              : "generated",
    }));
}

/** Lists what can be rotated. */
async function list(stackName: string, places: Places, env: NodeJS.ProcessEnv): Promise<void> {
    const { stack, variables, exported } = await openExisting(stackName, places, env);
    const rows = rotatable(await configurationOf(stack, variables, exported)).map(({ key, words }) => [key, words]);
    console.log(`${table(["key", `in stack ${stackName}`], rows)}

npm run rotate -- <keys…> --stack ${stackName}`);
}

/**
 * Makes new values and brings them to the services. They stay generated and protected: what is given up is the protection of
 * these few resources, for the time of this update. Without keys it lists what can be rotated.
 */
export async function rotate(
    keys: readonly string[],
    stackName: string,
    places: Places,
    env: NodeJS.ProcessEnv,
): Promise<void> {
    if (keys.length === 0) {
        await list(stackName, places, env);
        return;
    }
    const { stack, variables, exported } = await openExisting(stackName, places, env);
    const configuration = await configurationOf(stack, variables, exported);
    const set = keys.filter((key) => isSet(configuration, key));
    if (set.length > 0) {
        throw new UserError(
            `Set in the configuration of stack ${stackName}, so not generated: ${set.join(", ")}.`,
            set
                .map((key) => `npm run pulumi -- config set --secret ${key} --stack ${stackName}`)
                .concat("npm start applies it.")
                .join("\n"),
        );
    }
    const unused = keys.filter((key) => isUnused(configuration, key));
    if (unused.length > 0) {
        throw new UserError(
            `Not used in stack ${stackName}: ${unused.join(", ")}.`,
            "Credentials of services that are somebody else's are changed there and then set in the configuration; an administrator " +
                "is there with login (mlflowAuth).",
        );
    }
    const names = keys.map(resourceName);
    const urns = resourcesOf(await stack.exportStack())
        .filter(({ type }) => type === "random:index/randomPassword:RandomPassword")
        .flatMap(({ urn = "" }) => (names.some((name) => urn.endsWith(`::${name}`)) ? [urn] : []));
    if (urns.length !== new Set(names).size) {
        throw new UserError(
            `Stack ${stackName} has not generated ${keys.join(", ")} yet.`,
            `npm start -- --stack ${stackName} makes what is missing.`,
        );
    }
    await runSteps([
        {
            title: `New ${keys.join(", ")} for stack ${stackName}`,
            run: async (say) => {
                await runCli(places, variables, ["state", "unprotect", "--yes", "--stack", stackName, ...urns]);
                await replaceNext(stackName, urns, places, variables);
                return changesInWords(await update(stack, places, variables, say));
            },
        },
    ]);
    console.log(
        `The earlier values no longer work. npm run --silent pulumi -- stack output --show-secrets --stack ${stackName} ` +
            "shows what users need of the new ones.",
    );
}
