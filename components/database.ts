/** A PostgreSQL database for MLflow, whoever runs it, and the texts by which programs log in to it. */
import * as pulumi from "@pulumi/pulumi";
import { secretsPath } from "./secretFiles.ts";

/** A PostgreSQL role that logs in. */
export interface Login {
    /** Role name. */
    readonly user: string;
    /** Its password, a secret. */
    readonly password: pulumi.Input<string>;
}

/** How a connection is encrypted. */
export interface DatabaseTls {
    /** As libpq has it: disable, prefer, require, verify-ca or verify-full. */
    readonly mode: string;
    /** Authorities in PEM form. Defaults to those of the image. */
    readonly authorities?: string | undefined;
}

/** Where a database is and who may log in: what our own and somebody else's have in common. */
export interface Database {
    /** Host name on the stack's network. */
    readonly host: string;
    readonly port: number;
    readonly database: string;
    /** The role that migrates the schema. */
    readonly ownerLogin: Login;
    /** The role of the server; may be the owner's where nobody has split them. */
    readonly serverLogin: Login;
    /** The role that reads and writes who may log in to MLflow; may be the server's where nobody has split them. */
    readonly authLogin: Login;
    /** Defaults to none: the stack's own network. */
    readonly tls?: DatabaseTls | undefined;
    /** Seconds the migration makes the database and the server's rights in, where it may: those of somebody else's. */
    readonly prepareSeconds?: number | undefined;
    /** What has to be there before anybody can log in, for `dependsOn`. */
    readonly ready: readonly pulumi.Resource[];
}

/** The database that every PostgreSQL has, from which another one can be made. */
export const maintenanceDatabase = "postgres";

/** What a text about one login needs. */
interface Address {
    host: string;
    port: number;
    database: string;
    user: string;
}

/** `postgresql://` URI with every part escaped. */
export function postgresUri(address: Address & { password: string; sslMode?: string | undefined }): string {
    const { user, password, host, port, database, sslMode } = address;
    const query = sslMode === undefined ? "" : `?sslmode=${sslMode}`;
    return `postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${host}:${port}/${encodeURIComponent(database)}${query}`;
}

/** SQLAlchemy's URI without a password. The driver is named: what a bare postgresql:// means changed in SQLAlchemy 2.1. */
export function backendStoreUri(address: Address): string {
    const { user, host, port, database } = address;
    return `postgresql+psycopg2://${encodeURIComponent(user)}@${host}:${port}/${encodeURIComponent(database)}`;
}

/** The schema of the tables that say who may log in to MLflow and do what. */
export const authSchema = "mlflow_auth";

/** The same URI for these tables. */
export function authStoreUri(address: Address): string {
    return `${backendStoreUri(address)}?options=-csearch_path%3D${authSchema}`;
}

/** One line of a password file (PostgreSQL manual, "The Password File"): colons and backslashes are escaped. */
export function pgpassLine(address: Address & { password: string }): string {
    const { host, port, database, user, password } = address;
    return `${[host, String(port), database, user, password].map((field) => field.replace(/[\\:]/g, "\\$&")).join(":")}\n`;
}

/** Debian's bundle of public authorities, in the image. */
const publicAuthorities = "/etc/ssl/certs/ca-certificates.crt";

/** What libpq and MLflow read to log in to the database; the password is in the file `pgpass`. */
export function databaseEnvironment({ host, port, database, tls }: Database, login: Login): Record<string, string> {
    return {
        MLFLOW_BACKEND_STORE_URI: backendStoreUri({ host, port, database, user: login.user }),
        PGPASSFILE: `${secretsPath}/pgpass`,
        ...(tls === undefined ? {} : { PGSSLMODE: tls.mode }),
        // With a root file libpq checks certificates in every mode, and prefer goes on in plain text where that fails.
        ...(tls?.mode.startsWith("verify-")
            ? { PGSSLROOTCERT: tls.authorities === undefined ? publicAuthorities : `${secretsPath}/pg_ca` }
            : {}),
    };
}

/** The files of those who log in: one line of `pgpass` for each login and database. */
export function databaseFiles(
    { host, port, tls }: Database,
    ...logins: readonly { readonly login: Login; readonly to: string }[]
): Record<string, pulumi.Input<string>> {
    const distinct = new Map(logins.map((entry) => [`${entry.login.user}\0${entry.to}`, entry]));
    const lines = [...distinct.values()].map(({ login: { user, password }, to }) =>
        pulumi.output(password).apply((text) => pgpassLine({ host, port, database: to, user, password: text })),
    );
    return {
        pgpass: pulumi.all(lines).apply((texts) => texts.join("")),
        ...(tls?.authorities === undefined ? {} : { pg_ca: tls.authorities }),
    };
}
