/** A client's environment as a file for notebooks and scripts: `.env` or JSON, with the certificates that it names beside it. */
import { existsSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { rootCertificates } from "node:tls";
import { authorityFile } from "../components/clientEnvironment.ts";
import type { ClientEnvironment } from "./clientScript.ts";
import { UserError } from "./userError.ts";

/** How a client's environment is written. */
export const formats = ["shell", "dotenv", "json"] as const;
export type Format = (typeof formats)[number];

/** First line of each file in a format that has comments. */
const mark = "# Written by npm run client-env; it is written over by the next.";

/**
 * One line of a `.env` file that python-dotenv, Docker Compose and dotenv for Node.js read alike. They differ in what stands
 * between double quotes (escapes, variables), and python-dotenv puts variables in between single quotes as well: what they would
 * not read alike is refused by a UserError.
 */
export function dotenvLine(name: string, value: string): string {
    if (/^[\w./:@%+,-]*$/.test(value)) {
        return `${name}=${value}`;
    }
    if (/['\\]|\$\{|\r/.test(value)) {
        throw new UserError(
            `${name} cannot be written in a .env file so that every program reads the same: ${JSON.stringify(value)}.`,
            "Name another place by --out, without quotes, backslashes and ${ in its path; or take --format json.",
        );
    }
    return `${name}='${value}'`;
}

/** The text of a file with these variables. */
export function clientText(format: Exclude<Format, "shell">, environment: ClientEnvironment): string {
    return format === "json"
        ? `${JSON.stringify(environment, undefined, 2)}\n`
        : `${mark}\n${Object.entries(environment)
              .map(([name, value]) => `${dotenvLine(name, value)}\n`)
              .join("")}`;
}

/**
 * The variables for a file in that directory, and the certificates that belong beside it: name → content. `requests` knows one
 * bundle alone, so in that are the public authorities as well.
 */
export function withCertificates(
    environment: ClientEnvironment,
    directory: string,
): { variables: ClientEnvironment; certificates: Readonly<Record<string, string>> } {
    const { MLFLOW_PLATFORM_CA: authority, ...variables } = environment;
    if (authority === undefined) {
        return { variables, certificates: {} };
    }
    const host = new URL(variables.MLFLOW_TRACKING_URI ?? "").host.replace(":", "-");
    const names = { own: `${host}.pem`, bundle: `${host}-bundle.pem` };
    const bundled = variables.REQUESTS_CA_BUNDLE !== undefined;
    return {
        variables: Object.fromEntries(
            Object.entries(variables).map(([name, value]) => [
                name,
                value === authorityFile
                    ? join(directory, name === "REQUESTS_CA_BUNDLE" ? names.bundle : names.own)
                    : value,
            ]),
        ),
        certificates: {
            [names.own]: authority,
            ...(bundled ? { [names.bundle]: `${rootCertificates.join("\n")}\n${authority}` } : {}),
        },
    };
}

/** Whether a file is one that this command wrote. */
export function isOwn(content: string): boolean {
    if (content.startsWith(`${mark}\n`)) {
        return true;
    }
    try {
        const parsed = JSON.parse(content) as unknown;
        return (
            typeof parsed === "object" &&
            parsed !== null &&
            "MLFLOW_TRACKING_URI" in parsed &&
            Object.keys(parsed).every((name) => name.startsWith("MLFLOW_") || name === "REQUESTS_CA_BUNDLE")
        );
    } catch {
        return false;
    }
}

/** Writes a file for this user alone; whoever reads meanwhile has the old one or the new one. */
function write(file: string, content: string): void {
    const temporary = join(dirname(file), `.${basename(file)}.${process.pid}`);
    try {
        writeFileSync(temporary, content, { mode: 0o600, flag: "wx" });
        renameSync(temporary, file);
    } finally {
        rmSync(temporary, { force: true });
    }
}

/** Throws a UserError where something is in the place that this command has not written, unless it is to be written over. */
function requireFree(file: string, force: boolean): void {
    if (!existsSync(dirname(file))) {
        throw new UserError(`There is no directory ${dirname(file)}.`, "Make it, or name another place by --out.");
    }
    const found = lstatSync(file, { throwIfNoEntry: false });
    if (found?.isDirectory()) {
        throw new UserError(`${file} is a directory.`, "Name a file by --out.");
    }
    if (found !== undefined && !force && !(found.isFile() && isOwn(readFileSync(file, "utf8")))) {
        throw new UserError(
            `${file} is there, and was not written by this command.`,
            "Name another place by --out, or write over it: --force.",
        );
    }
}

/** Writes the environment to a file (0600), and the certificates that it needs beside it. Returns all paths. */
export function writeClientFile(
    format: Format,
    environment: ClientEnvironment,
    script: string,
    out: string,
    force: boolean,
): string[] {
    // npm runs scripts in the project's directory; the user means the one that she is in.
    const file = resolve(process.env.INIT_CWD ?? process.cwd(), out);
    requireFree(file, force);
    if (format === "shell") {
        write(file, `${mark}\n${script}`);
        return [file];
    }
    const { variables, certificates } = withCertificates(environment, dirname(file));
    const text = clientText(format, variables);
    const written = Object.entries(certificates).map(([name, content]) => {
        write(join(dirname(file), name), content);
        return join(dirname(file), name);
    });
    write(file, text);
    return [file, ...written];
}
