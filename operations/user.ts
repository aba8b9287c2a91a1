/** `npm run user`: the people who may log in to MLflow, one command for each. */
import { randomBytes } from "node:crypto";
import { usernameDefect } from "../config.ts";
import { type ClientEnvironment, clientScript } from "./clientScript.ts";
import { accountPrefix } from "../servedModels.ts";
import type { Places } from "./places.ts";
import { configurationOf } from "./stackCheck.ts";
import { openExisting } from "./stop.ts";
import { reach } from "./reach.ts";
import { AnswerError, TrackingApi } from "./trackingApi.ts";
import { UserError } from "./userError.ts";
import { valuesOf } from "./workspace.ts";

/** What a command line says about a person's rights. */
export interface Rights {
    /** May do everything, users included. */
    readonly admin?: boolean | undefined;
    /** Names of experiments and registered models, each for one permission. */
    readonly read: readonly string[];
    readonly edit: readonly string[];
    readonly manage: readonly string[];
}

/** Something that rights are given to. */
interface Resource {
    readonly resource_type: "experiment" | "registered_model";
    readonly resource_id: string;
}

interface User {
    readonly username: string;
    readonly is_admin: boolean;
}

const users = "/api/2.0/mlflow/users";
const permissions = "/api/3.0/mlflow/users/permissions";

/** A stack's server as its administrator sees it. */
interface Administration {
    readonly api: TrackingApi;
    readonly stackName: string;
    /** Name of the administrator, who is set in the configuration. */
    readonly administrator: string;
    readonly environment: ClientEnvironment;
}

async function administered<T>(
    stackName: string,
    places: Places,
    env: NodeJS.ProcessEnv,
    act: (administration: Administration) => Promise<T>,
): Promise<T> {
    const { stack, variables, exported } = await openExisting(stackName, places, env);
    const configuration = await configurationOf(stack, variables, exported);
    if (!configuration.mlflowAuth) {
        throw new UserError(
            `Stack ${stackName} has no login, so it has no users.`,
            `npm run pulumi -- config set mlflowAuth true --stack ${stackName}, then npm start -- --stack ${stackName}`,
        );
    }
    const outputs = valuesOf(await stack.outputs());
    if (outputs.trackingUri === undefined || outputs.adminPassword === undefined) {
        throw new UserError(
            `Stack ${stackName} is not up with its login.`,
            `npm start -- --stack ${stackName} brings it up.`,
        );
    }
    try {
        return await reach(outputs, configuration, variables.DOCKER_HOST, async (way) => {
            const api = new TrackingApi(way);
            try {
                return await act({
                    api,
                    stackName,
                    administrator: configuration.adminUsername,
                    environment: outputs.clientEnv as ClientEnvironment,
                });
            } finally {
                await api.close();
            }
        });
    } catch (error) {
        const trackingUri = outputs.trackingUri as string;
        if (error instanceof UserError) {
            throw error;
        }
        if (error instanceof AnswerError && error.status === 401) {
            throw new UserError(
                `MLflow at ${trackingUri} does not accept the administrator's password that stack ${stackName} has.`,
                `It was changed elsewhere. A new one: npm run rotate -- adminPassword --stack ${stackName}, or where it is configured ` +
                    `npm run pulumi -- config set --secret adminPassword --stack ${stackName} and npm start -- --stack ${stackName}`,
            );
        }
        throw new UserError(
            `MLflow at ${trackingUri} could not do that: ${(error as Error).message}`,
            `npm start -- --stack ${stackName} checks the platform from outside.`,
        );
    }
}

async function find<T>(asked: Promise<T>): Promise<T | undefined> {
    try {
        return await asked;
    } catch (error) {
        if (error instanceof AnswerError && error.status === 404) {
            return undefined;
        }
        throw error;
    }
}

/** What a name on the command line stands for: `experiment:NAME`, `model:NAME`, or NAME where only one of them is there. */
async function resourceNamed(api: TrackingApi, text: string): Promise<Resource> {
    const [, kind, name = text] = /^(experiment|model):(.+)$/s.exec(text) ?? [];
    const query = encodeURIComponent(name);
    const experiment =
        kind === "model"
            ? undefined
            : await find(
                  api.json<{ experiment: { experiment_id: string } }>(
                      "GET",
                      `/api/2.0/mlflow/experiments/get-by-name?experiment_name=${query}`,
                  ),
              );
    const model =
        kind === "experiment"
            ? undefined
            : await find(api.json<object>("GET", `/api/2.0/mlflow/registered-models/get?name=${query}`));
    if (experiment !== undefined && model !== undefined) {
        throw new UserError(
            `There are an experiment and a registered model called "${name}".`,
            `Say which: experiment:${name} or model:${name}`,
        );
    }
    if (experiment !== undefined) {
        return { resource_type: "experiment", resource_id: experiment.experiment.experiment_id };
    }
    if (model !== undefined) {
        return { resource_type: "registered_model", resource_id: name };
    }
    throw new UserError(
        `There is no ${kind === undefined ? "experiment or registered model" : kind === "model" ? "registered model" : kind} called "${name}".`,
        "Nothing was changed. The web UI lists experiments and models by name.",
    );
}

/** Everything that is named, with the permission for each, before anything is changed. */
async function grantsOf(api: TrackingApi, rights: Rights): Promise<(Resource & { permission: string })[]> {
    const grants = [];
    for (const [permission, names] of [
        ["READ", rights.read],
        ["EDIT", rights.edit],
        ["MANAGE", rights.manage],
    ] as const) {
        for (const name of names) {
            grants.push({ ...(await resourceNamed(api, name)), permission });
        }
    }
    return grants;
}

async function grant(
    api: TrackingApi,
    username: string,
    rights: Rights,
    grants: readonly (Resource & { permission: string })[],
): Promise<void> {
    if (rights.admin === true) {
        await api.request("PATCH", `${users}/update-admin`, { username, is_admin: true });
    }
    for (const { permission, ...resource } of grants) {
        // MLflow refuses a second permission for the same thing.
        await find(api.request("POST", `${permissions}/revoke`, { username, ...resource }));
        await api.request("POST", `${permissions}/grant`, { username, ...resource, permission });
    }
}

/** The people; model servers have accounts that are not shown. */
async function people(api: TrackingApi): Promise<User[]> {
    const { users: all } = await api.json<{ users: User[] }>("GET", `${users}/list`);
    return all.filter(({ username }) => !username.startsWith(accountPrefix));
}

function refuseAdministrator({ administrator, stackName }: Administration, name: string): void {
    if (name === administrator) {
        throw new UserError(
            `${name} is the administrator of stack ${stackName}, who is set in its configuration.`,
            `npm run pulumi -- config set --secret adminPassword --stack ${stackName}, or npm run rotate -- adminPassword --stack ` +
                `${stackName} where it was generated`,
        );
    }
}

function refuseReserved(name: string): void {
    if (name.startsWith(accountPrefix)) {
        throw new UserError(
            `${name} is not a person's: names that begin with ${accountPrefix} are the accounts of served models.`,
            "Each update makes and removes them as the configuration of the served models says. Choose another name.",
        );
    }
}

// 144 bits; MLflow wants at least 12 characters.
const newPassword = () => randomBytes(18).toString("base64url");

function printAccess({ environment, stackName }: Administration, username: string, password: string): void {
    console.error(
        `For ${username}, to be run in a shell (or put into its profile). The password is shown this once; stack ${stackName} keeps ` +
            `a hash of it alone, and npm run user -- reset ${username} --stack ${stackName} makes a new one.\n`,
    );
    process.stdout.write(clientScript(environment, { username, password }));
}

/** Adds a person and prints her client environment. */
export async function addUser(
    name: string,
    rights: Rights,
    stackName: string,
    places: Places,
    env: NodeJS.ProcessEnv,
): Promise<void> {
    const defect = usernameDefect(name);
    if (defect !== undefined) {
        throw new UserError(defect, `npm run user -- add <name> --stack ${stackName}`);
    }
    refuseReserved(name);
    await administered(stackName, places, env, async (administration) => {
        const { api } = administration;
        refuseAdministrator(administration, name);
        if ((await people(api)).some(({ username }) => username === name)) {
            throw new UserError(
                `There is a user ${name} already.`,
                `npm run user -- reset ${name} --stack ${stackName} gives a new password.`,
            );
        }
        const grants = await grantsOf(api, rights);
        const password = newPassword();
        await api.request("POST", `${users}/create`, { username: name, password });
        try {
            await grant(api, name, rights, grants);
        } catch (error) {
            // Nobody would know the password; should that fail as well, the reason is the first failure.
            await api.request("DELETE", `${users}/delete`, { username: name }).catch(() => undefined);
            throw error;
        }
        printAccess(administration, name, password);
    });
}

/** Gives a person a new password, and the rights that are named in addition, and prints her client environment. */
export async function resetUser(
    name: string,
    rights: Rights,
    stackName: string,
    places: Places,
    env: NodeJS.ProcessEnv,
): Promise<void> {
    refuseReserved(name);
    await administered(stackName, places, env, async (administration) => {
        const { api } = administration;
        refuseAdministrator(administration, name);
        await refuseUnknown(administration, name);
        const grants = await grantsOf(api, rights);
        const password = newPassword();
        await grant(api, name, rights, grants);
        await api.request("PATCH", `${users}/update-password`, { username: name, password });
        printAccess(administration, name, password);
    });
}

async function refuseUnknown({ api, stackName }: Administration, name: string): Promise<void> {
    const names = (await people(api)).map(({ username }) => username);
    if (!names.includes(name)) {
        throw new UserError(`There is no user ${name} in stack ${stackName}.`, `There are: ${names.join(", ")}.`);
    }
}

/** Removes a person, who cannot log in from then on; runs and models stay. */
export async function removeUser(
    name: string,
    stackName: string,
    places: Places,
    env: NodeJS.ProcessEnv,
): Promise<void> {
    refuseReserved(name);
    await administered(stackName, places, env, async (administration) => {
        refuseAdministrator(administration, name);
        await refuseUnknown(administration, name);
        await administration.api.request("DELETE", `${users}/delete`, { username: name });
        console.log(`${name} can no longer log in to stack ${stackName}.`);
    });
}

/** Prints who may log in, and what each has been given. */
export async function listUsers(
    name: string | undefined,
    stackName: string,
    places: Places,
    env: NodeJS.ProcessEnv,
): Promise<void> {
    await administered(stackName, places, env, async (administration) => {
        const { api } = administration;
        if (name !== undefined) {
            await refuseUnknown(administration, name);
        }
        for (const { username, is_admin: isAdmin } of await people(api)) {
            if (name !== undefined && name !== username) {
                continue;
            }
            const { permissions: rows } = await api.json<{
                permissions: { resource_type: string; resource_pattern: string; permission: string }[];
            }>("GET", `${permissions}/list?username=${encodeURIComponent(username)}`);
            const given = rows.map(
                ({ resource_type: type, resource_pattern: id, permission }) =>
                    `${permission} ${type === "registered_model" ? "model" : type} ${id}`,
            );
            console.log([username, ...(isAdmin ? ["administrator"] : []), ...given].join("\t"));
        }
    });
}
