/** What a client's shell runs to reach the platform, and `npm run client-env`, which prints it. */
import { authorityFile } from "../components/clientEnvironment.ts";
import { shellWord } from "../components/shell.ts";
import { type Format, clientText, writeClientFile } from "./clientFile.ts";
import type { Places } from "./places.ts";
import { configurationOf } from "./stackCheck.ts";
import { openExisting } from "./stop.ts";
import { UserError } from "./userError.ts";

/** The stack's output `clientEnv`. */
export type ClientEnvironment = Readonly<Record<string, string>>;

/**
 * A script for any POSIX shell: it exports what MLflow reads. Where the platform's certificate is signed by its own authority,
 * it writes that to a file first, and for programs that know one bundle only a second one with the public authorities
 * as well.
 */
export function clientScript(environment: ClientEnvironment, login?: { username: string; password: string }): string {
    const { MLFLOW_PLATFORM_CA: authority, ...variables } = environment;
    // Platforms on one host differ by their ports.
    const host = new URL(variables.MLFLOW_TRACKING_URI ?? "").host.replace(":", "-");
    const directory = '"$HOME/.mlflow-platform"';
    const file = `"$HOME/.mlflow-platform/${host}.pem"`;
    const bundle = `"$HOME/.mlflow-platform/${host}-bundle.pem"`;
    const value = (name: string, text: string) =>
        text !== authorityFile ? shellWord(text) : name === "REQUESTS_CA_BUNDLE" ? bundle : file;
    return [
        ...(authority === undefined
            ? []
            : [`mkdir -p ${directory}`, `cat >${file} <<'PEM'`, authority.trimEnd(), "PEM"]),
        ...(variables.REQUESTS_CA_BUNDLE === undefined
            ? []
            : [
                  `cat "$(python3 -m certifi 2>/dev/null || echo /etc/ssl/certs/ca-certificates.crt)" ${file} >${bundle}`,
              ]),
        ...Object.entries(variables).map(([name, text]) => `export ${name}=${value(name, text)}`),
        ...(login === undefined
            ? []
            : [
                  `export MLFLOW_TRACKING_USERNAME=${shellWord(login.username)}`,
                  `export MLFLOW_TRACKING_PASSWORD=${shellWord(login.password)}`,
              ]),
        "",
    ].join("\n");
}

/** Options of `npm run client-env`. */
export interface ClientOptions {
    readonly format?: Format | undefined;
    /** File to write instead of standard output. */
    readonly out?: string | undefined;
    readonly force?: boolean | undefined;
}

/** Prints or writes what a stack's clients need. With login on it lacks user name and password, which each person has of her own. */
export async function printClientScript(
    stackName: string,
    places: Places,
    env: NodeJS.ProcessEnv,
    { format = "shell", out, force = false }: ClientOptions = {},
): Promise<void> {
    const { stack, variables, exported } = await openExisting(stackName, places, env);
    const outputs = await stack.outputs();
    const environment = outputs.clientEnv?.value as ClientEnvironment | undefined;
    if (environment === undefined) {
        throw new UserError(
            `Stack ${stackName} is not up, so it has no clients.`,
            `npm start -- --stack ${stackName} brings it up.`,
        );
    }
    if (out !== undefined) {
        for (const file of writeClientFile(format, environment, clientScript(environment), out, force)) {
            console.error(`Wrote ${file}`);
        }
    } else if (format === "shell") {
        process.stdout.write(clientScript(environment));
    } else {
        process.stdout.write(clientText(format, environment));
        if (environment.MLFLOW_PLATFORM_CA !== undefined) {
            console.error(
                `The content of MLFLOW_PLATFORM_CA belongs into the file ${authorityFile}; --out <file> writes it, too.`,
            );
        }
    }
    if ((await configurationOf(stack, variables, exported)).mlflowAuth) {
        console.error(
            `Beside it a client needs a user name and a password: npm run user -- add <name> --stack ${stackName}`,
        );
    }
}
