/** The database: a dump of the earlier one, a copy of it in the stack's PostgreSQL, and the swap. */
import { closeSync, openSync, statSync } from "node:fs";
import { pgpassLine } from "../../components/database.ts";
import type { Say } from "../progress.ts";
import type { Earlier } from "./earlier.ts";
import { size } from "./findings.ts";
import { runJob } from "./job.ts";
import type { Target } from "./target.ts";

/** Names beside the stack's own database: the copy while it is made, and the stack's earlier one until all is well. */
export function databaseNames({ configuration }: { readonly configuration: { readonly pgDatabase: string } }) {
    const own = configuration.pgDatabase;
    const other = (name: string) => (own === name ? `${name}_2` : name);
    return { own, copy: other("takeover_copy"), previous: other("takeover_previous") };
}

/** An identifier of SQL. */
function identifier(name: string): string {
    return `"${name.replaceAll('"', '""')}"`;
}

/** A text of SQL. */
function literal(text: string): string {
    return `'${text.replaceAll("'", "''")}'`;
}

/** Makes an empty file that only this user can read. */
export function privateFile(file: string): string {
    closeSync(openSync(file, "w", 0o600));
    return file;
}

/** Dumps MLflow's tables of the earlier database into a file. Only reads. */
export async function dump(
    target: Target,
    { postgres }: Earlier,
    tables: readonly string[],
    network: string,
    file: string,
    say: Say,
): Promise<string> {
    const { host, port, user, database } = postgres;
    await runJob(
        target.name,
        {
            name: "dump",
            image: target.images.postgres,
            network,
            environment: { PGHOST: host, PGPORT: String(port), PGUSER: user, PGDATABASE: database },
            // The password comes by standard input and is a file on a tmpfs.
            command: [
                "bash",
                "-euc",
                'umask 077; cat >/tmp/pgpass; PGPASSFILE=/tmp/pgpass exec pg_dump "$@"',
                "dump",
                ...["--format=custom", "--no-owner", "--no-privileges"],
                ...tables.map((table) => `--table=public.${identifier(table)}`),
            ],
            input: pgpassLine(postgres),
            outputFile: privateFile(file),
        },
        target.variables,
        say,
    );
    return size(statSync(file).size);
}

/** Takes away the copy of a takeover that did not get to its end. */
export async function dropCopy(target: Target): Promise<void> {
    await target.sql(`DROP DATABASE IF EXISTS ${identifier(databaseNames(target).copy)} WITH (FORCE);`);
}

/** Makes the copy from the dump: tables of the owner's group, and nobody else's rights. */
export async function restore(target: Target, file: string): Promise<void> {
    const { copy } = databaseNames(target);
    const name = identifier(copy);
    await dropCopy(target);
    await target.sql(
        `CREATE DATABASE ${name} TEMPLATE template0 OWNER mlflow_platform_owner;
         REVOKE ALL ON DATABASE ${name} FROM PUBLIC;
         GRANT CONNECT ON DATABASE ${name} TO mlflow_platform_server, mlflow_platform_auth;`,
    );
    await target.inPostgres(
        [
            ...["pg_restore", "--username=postgres", `--dbname=${copy}`, "--role=mlflow_platform_owner"],
            ...["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"],
        ],
        { database: copy, inputFile: file },
    );
}

/**
 * Gives the copy what the stack's own database has beside MLflow's tables: the people who log in, and the rights of the
 * roles. What somebody was given for a single experiment goes: another one has its number now.
 */
export async function completeCopy(target: Target): Promise<void> {
    const { own, copy } = databaseNames(target);
    await target.inPostgres(
        [
            "bash",
            "-euo",
            "pipefail",
            "-c",
            `psql=(psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username=postgres --output=/dev/null)
             pg_dump --username=postgres --schema=mlflow_auth | PGDATABASE=$1 "\${psql[@]}"
             PGDATABASE=$1 "\${psql[@]}" --file=/usr/local/share/mlflow-platform/privileges.sql`,
            "complete",
            copy,
        ],
        { database: own },
    );
    await target.sql(
        `SELECT $$DELETE FROM mlflow_auth.role_permissions WHERE resource_type = 'experiment'
            AND resource_pattern ~ '^[0-9]+$' AND resource_pattern <> '0'$$
         WHERE to_regclass('mlflow_auth.role_permissions') IS NOT NULL \\gexec`,
        copy,
    );
}

/** Ends whoever is still connected to one of the databases; a rename needs them alone. */
function endSessions(names: readonly string[]): string {
    return `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN (${names.map(literal).join(", ")});`;
}

function rename(from: string, to: string): string {
    return `ALTER DATABASE ${identifier(from)} RENAME TO ${identifier(to)};`;
}

/** The copy becomes the stack's database, in one transaction. The server is stopped. */
export async function swapDatabase(target: Target): Promise<void> {
    const { own, copy, previous } = databaseNames(target);
    await target.sql(`${endSessions([own, copy])} BEGIN; ${rename(own, previous)} ${rename(copy, own)} COMMIT;`);
}

/** Undoes the swap, where it has happened. */
export async function unswapDatabase(target: Target): Promise<void> {
    const { own, copy, previous } = databaseNames(target);
    const [there] = await target.sql(`SELECT 1 FROM pg_database WHERE datname = ${literal(previous)};`);
    if (there !== undefined) {
        await target.sql(
            `${endSessions([own, previous])} BEGIN; ${rename(own, copy)} ${rename(previous, own)} COMMIT;`,
        );
    }
}

/** Takes away what the stack had before: checks that nobody has put anything into. */
export async function dropPrevious(target: Target): Promise<void> {
    await target.sql(`DROP DATABASE IF EXISTS ${identifier(databaseNames(target).previous)} WITH (FORCE);`);
}

/** Number of rows of tables in the copy. */
export async function rowsOfCopy(target: Target, tables: readonly string[]): Promise<Record<string, number>> {
    return counts(
        target,
        databaseNames(target).copy,
        Object.fromEntries(tables.map((table) => [table, identifier(table)])),
    );
}

/** Number of rows of each selection. */
export async function counts(
    target: Target,
    database: string,
    selections: Readonly<Record<string, string>>,
): Promise<Record<string, number>> {
    const queries = Object.entries(selections).map(
        ([what, selection]) => `SELECT ${literal(what)}, (SELECT count(*) FROM ${selection})`,
    );
    const rows = await target.sql(`${queries.join(" UNION ALL ")};`, database);
    return Object.fromEntries(
        rows.map((row) => {
            const [what = "", count = ""] = row.split("\t");
            return [what, Number(count)];
        }),
    );
}
