/** What the looks at the earlier installation and at the stack found, and what of it is in the way. */
import type { Earlier } from "./earlier.ts";
import { type Running, connectedTo, stopCommands } from "./users.ts";

/** Keys of some objects, and how many there are. */
interface Some {
    readonly count: number;
    readonly some: readonly string[];
}

/** The earlier MinIO's data (platform_server/takeover/disk.py). */
export interface DiskFindings {
    /** `fs`, `xl-single` or `xl`; null where it is not MinIO's. */
    readonly format: string | null;
    readonly version: string | null | undefined;
    readonly drives: number;
    readonly buckets: readonly string[];
    /** Whether the bucket is there. */
    readonly there: boolean;
    readonly objects: number;
    readonly files: number;
    readonly bytes: number;
    /** Bytes that the stack's store has room for, and the number of its file system on the engine's host. */
    readonly free: number;
    readonly device: number;
    /** Whether the stack's MinIO uses this directory or volume itself, by whatever name. */
    readonly same: boolean;
    readonly unreadable: Some;
    readonly encrypted: Some;
    readonly tiered: Some;
    /** Objects that clients of this server cannot ask for. */
    readonly unreachable: Some;
}

/** Words and a number. */
type Row = readonly (string | number)[];

/** The earlier database (platform_server/takeover/database.py). */
export type DatabaseFindings =
    | { readonly refused: string }
    | {
          readonly refused?: undefined;
          readonly version: string;
          readonly versionNumber: number;
          readonly schema: string | null;
          readonly revisions: readonly string[];
          /** Whether this MLflow knows the revision; only then is there more. */
          readonly known: boolean;
          readonly sessions: readonly {
              readonly usename: string | null;
              readonly address: string | null;
              readonly application_name: string | null;
          }[];
          readonly tables: readonly string[];
          readonly others: readonly string[];
          readonly bytes: number;
          readonly rows?: Readonly<Record<string, number>>;
          /** Table, column, number. */
          readonly changes?: readonly Row[];
          /** Table, column, root, reason, number. */
          readonly left?: readonly Row[];
          /** Table, column, number. */
          readonly mentions?: readonly Row[];
      };

/** Something in the way, and what helps. */
export interface Problem {
    readonly what: string;
    readonly cure: string;
}

/** The major version of pg_dump in images/postgres. */
export const dumpMajor = 17;

/** Bytes in words. */
export function size(bytes: number): string {
    return bytes < 2 ** 30 ? `${Math.ceil(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

const plain =
    "Copy the objects by S3 into an empty MinIO of one drive, with the earlier MinIO running (mc mirror --preserve), and name its " +
    "data by --data.";

/** What is in the way on the earlier drive. `place` is its directory or volume. */
export function diskProblems(found: DiskFindings, place: string, bucket: string): Problem[] {
    if (found.format === null) {
        return [
            {
                what: `${place} is not MinIO's data: it has no .minio.sys/format.json.`,
                cure: "Name the right one by --data.",
            },
        ];
    }
    if (found.format === "fs") {
        return [
            {
                what: `${place} has the format fs of MinIO's releases before June 2022, which the stack's MinIO cannot read.`,
                cure:
                    "In the bucket's directory every object is a plain file. Start an empty MinIO of the stack's image, copy them by " +
                    `MinIO's client (mc mirror ${place}/${bucket} <alias>/${bucket}), stop it, and name its data by --data.`,
            },
        ];
    }
    if (found.drives !== 1 || found.version !== "3") {
        return [
            {
                what: `${place} is one of ${found.drives} drives of a MinIO in format ${found.format} ${found.version ?? ""}; a drive alone is copied.`,
                cure: plain,
            },
        ];
    }
    if (!found.there) {
        const there = found.buckets.length === 0 ? "none" : found.buckets.join(", ");
        return [{ what: `${place} has no bucket ${bucket}; it has ${there}.`, cure: "Set MLFLOW_BUCKET_NAME to it." }];
    }
    const problems: Problem[] = [];
    const objects = (some: Some, words: string) => {
        if (some.count > 0) {
            problems.push({ what: `${some.count} objects ${words}: ${listed(some)}.`, cure: plain });
        }
    };
    objects(found.unreadable, "were written by a newer MinIO than the stack's, which cannot read them");
    objects(found.encrypted, "are encrypted with a key of the earlier MinIO");
    objects(found.tiered, "are kept in another store (tiering)");
    return problems;
}

/** Some of them, and that there are more. */
export function listed({ count, some }: Some): string {
    return some.join(", ") + (count > some.length ? " …" : "");
}

/** What is in the way in the earlier database. */
export function databaseProblems(
    found: DatabaseFindings,
    postgres: Earlier["postgres"],
    containers: readonly Running[],
): Problem[] {
    const where = `${postgres.host}:${postgres.port}/${postgres.database}`;
    if (found.refused !== undefined) {
        return [
            {
                what: `The earlier PostgreSQL at ${where} cannot be used: ${found.refused}.`,
                cure:
                    "PG_HOST, PG_PORT, PG_USER, PG_PASSWORD and PG_DATABASE have to be as the earlier server has them. Where only its " +
                    "network knows the name, --network names that.",
            },
        ];
    }
    const problems: Problem[] = [];
    if (Math.floor(found.versionNumber / 10_000) > dumpMajor) {
        problems.push({
            what: `The earlier PostgreSQL is ${found.version}, and the stack's is ${dumpMajor}: an older one cannot dump it.`,
            cure: "Keep that PostgreSQL: set pgHost in a stack of its own (docs/configuration.md).",
        });
    }
    if (found.revisions.length === 0) {
        problems.push({
            what: `The database at ${where} is not MLflow's: it has no table alembic_version in schema ${found.schema ?? "public"}.`,
            cure: "Set PG_DATABASE to MLflow's database.",
        });
    } else if (!found.known) {
        problems.push({
            what: `The database at ${where} is at schema revision ${found.revisions.join(", ")}, which the stack's MLflow does not know: a newer one has upgraded it.`,
            cure: "Use a version of this project with that MLflow or a newer one.",
        });
    } else if (found.schema !== "public") {
        problems.push({
            what: `MLflow's tables at ${where} are in schema ${found.schema ?? ""}, and only those in public are taken over.`,
            cure: `ALTER TABLE … SET SCHEMA public, in a copy of that database.`,
        });
    }
    if (found.sessions.length > 0) {
        const addresses = [...new Set(found.sessions.map(({ address }) => address ?? "a local socket"))];
        const theirs = connectedTo(containers, postgres, addresses);
        const commands = stopCommands(theirs);
        problems.push({
            what: `The earlier database is in use: ${found.sessions.length} connections, from ${addresses.join(", ")}.`,
            cure:
                commands.length > 0
                    ? `Stop what uses it:\n${commands.map((command) => `  ${command}`).join("\n")}`
                    : "Stop the earlier MLflow server: docker compose stop mlflow, in the directory of its Compose file.",
        });
    }
    return problems;
}

/**
 * What is in the way in the stack: the number of each kind of thing that somebody has made there. In place its data is the
 * earlier installation's too, and must not be deleted.
 */
export function stackProblems(
    contents: Readonly<Record<string, number>>,
    stackName: string,
    inPlace: boolean,
): Problem[] {
    const made = Object.entries(contents).filter(([, count]) => count > 0);
    return made.length === 0
        ? []
        : [
              {
                  what: `Stack ${stackName} has data of its own: ${made.map(([what, count]) => `${count} ${what}`).join(", ")}.`,
                  cure: inPlace
                      ? `Stop this one (npm stop -- --stack ${stackName}) and take over into a new stack, copied: --stack <name>, without --in-place. Deleting this one's data would delete the earlier objects.`
                      : `Take over into a new stack (--stack <name>), or give this one's data up first: npm run delete-data -- ${stackName}`,
              },
          ];
}

/** What is in the way because it still runs. */
export function runningProblems(users: readonly Running[], place: string): Problem[] {
    return users.length === 0
        ? []
        : [
              {
                  what: `${place} is in use: ${users.map(({ name }) => name).join(", ")}.`,
                  cure: `Stop what uses it:\n${stopCommands(users)
                      .map((command) => `  ${command}`)
                      .join("\n")}`,
              },
          ];
}

/** What is and what is not taken over, in lines. */
export function overview(
    disk: DiskFindings,
    database: DatabaseFindings,
    earlierBucket: string,
    bucket: string,
): string[] {
    if (database.refused !== undefined) {
        return [];
    }
    const { rows = {}, changes = [], left = [], mentions = [], others } = database;
    const total = Object.values(rows).reduce((sum, count) => sum + count, 0);
    const cells = (row: Row) => row.map(String);
    return [
        `Database: PostgreSQL ${database.version}, ${total} rows in ${Object.keys(rows).length} tables ` +
            `(${["experiments", "runs", "registered_models", "model_versions"].map((table) => `${rows[table] ?? 0} ${table}`).join(", ")})`,
        ...(others.length > 0 ? [`  not MLflow's, and left there: ${others.join(", ")}`] : []),
        `Objects: ${disk.objects} of bucket ${earlierBucket}${bucket === earlierBucket ? "" : `, into bucket ${bucket}`}, ${size(disk.bytes)}`,
        ...(disk.unreachable.count > 0
            ? [
                  `  ${disk.unreachable.count} have names that a client cannot ask an MLflow server for (web UI and S3 can): ${listed(disk.unreachable)}`,
              ]
            : []),
        "Locations that become mlflow-artifacts:/…",
        ...changes.map(cells).map(([table, column, count]) => `  ${table}.${column}: ${count}`),
        ...(left.length > 0 ? ["Locations that stay as they are"] : []),
        ...left
            .map(cells)
            .map(([table, column, root, reason, count]) => `  ${table}.${column}: ${count} in ${root} (${reason})`),
        ...(mentions.length > 0 ? [`Where users or data sets name s3://${earlierBucket}, and it stays`] : []),
        ...mentions.map(cells).map(([table, column, count]) => `  ${table}.${column}: ${count}`),
    ];
}

/** The tables whose number of rows differs. */
export function rowDifferences(
    before: Readonly<Record<string, number>>,
    after: Readonly<Record<string, number>>,
): string[] {
    return [...new Set([...Object.keys(before), ...Object.keys(after)])]
        .filter((table) => before[table] !== after[table])
        .map((table) => `${table}: ${before[table] ?? "none"} → ${after[table] ?? "none"}`);
}
