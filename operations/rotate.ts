/** `npm run rotate`: other values for generated credentials, in the running services. */
import { resourcesOf } from "./engineObjects.ts";
import type { Places } from "./places.ts";
import { runSteps } from "./progress.ts";
import { configurationOf } from "./stackCheck.ts";
import { openExisting } from "./stop.ts";
import { changesInWords, replaceNext, update } from "./update.ts";
import { UserError } from "./userError.ts";
import { runCli } from "./workspace.ts";

/** Name of the resource that holds a key's generated value: pgPassword is pg-password. */
export function resourceName(key: string): string {
    return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * Makes new values and brings them to the services. They stay generated and protected: what is given up is the protection of
 * these few resources, for the time of this update.
 */
export async function rotate(
    keys: readonly string[],
    stackName: string,
    places: Places,
    env: NodeJS.ProcessEnv,
): Promise<void> {
    const { stack, variables } = await openExisting(stackName, places, env);
    const configuration = await configurationOf(stack, variables);
    const set = keys.filter((key) => configuration[key as keyof typeof configuration] !== undefined);
    if (set.length > 0) {
        throw new UserError(
            `Set in the configuration of stack ${stackName}, so not generated: ${set.join(", ")}.`,
            set
                .map((key) => `npm run pulumi -- config set --secret ${key} --stack ${stackName}`)
                .concat("npm start applies it.")
                .join("\n"),
        );
    }
    const { minioHost, pgHost, pgOwnerUser, pgAuthUser, mlflowAuth } = configuration;
    const unused = keys.filter(
        (key) =>
            (minioHost !== undefined && key.startsWith("minioRoot")) ||
            (pgHost !== undefined && pgOwnerUser === undefined && key === "pgOwnerPassword") ||
            (pgHost !== undefined && pgAuthUser === undefined && key === "pgAuthPassword") ||
            (!mlflowAuth && key === "adminPassword"),
    );
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
