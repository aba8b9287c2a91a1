/**
 * What the last update recorded in the stack's outputs for the next one: how its jobs ended, and where the data is. A
 * configuration that would part the stack from its data is refused by that record.
 */
import * as pulumi from "@pulumi/pulumi";
import { type JobRecords, lastOutputs } from "./components/jobRecords.ts";
import { shellWord } from "./components/shell.ts";
import type { Configuration } from "./config.ts";

/** The keys that say where data is, with the value of each; "" where the key is unset. */
export type DataPlaces = Record<
    "pgHost" | "pgDatabase" | "minioHost" | "minioVolumePath" | "minioVolumeName" | "mlflowBucketName",
    string
>;

/** The record; a stack that is new has none. */
export interface LastUpdate {
    /** How each job ended. */
    readonly jobs?: JobRecords | undefined;
    /** Where the data is, as far as there is any. */
    readonly dataPlaces?: Readonly<Partial<DataPlaces>> | undefined;
}

/** Reads the running program's own stack. */
export async function readLastUpdate(): Promise<LastUpdate> {
    const { jobs, dataPlaces } = await lastOutputs("jobs", "dataPlaces");
    return { jobs: jobs as LastUpdate["jobs"], dataPlaces: dataPlaces as LastUpdate["dataPlaces"] };
}

function placesOf(c: Partial<Configuration>, { project, stack }: Names): DataPlaces {
    // The name that autonaming gives to the stack's own volume (Pulumi.yaml) is no other place.
    const volume = c.minioVolumeName === `${project}-${stack}-minio_data` ? undefined : c.minioVolumeName;
    return {
        pgHost: c.pgHost?.toLowerCase() ?? "",
        pgDatabase: c.pgDatabase ?? "",
        minioHost: c.minioHost?.toLowerCase() ?? "",
        minioVolumePath: c.minioVolumePath ?? "",
        minioVolumeName: volume ?? "",
        mlflowBucketName: c.mlflowBucketName ?? "",
    };
}

/** The running stack's. */
interface Names {
    readonly project: string;
    readonly stack: string;
}

/** Known as soon as there is data in each place; what they are does not matter. */
export interface Facts {
    /** The cluster: whose PostgreSQL it is. */
    readonly cluster: pulumi.Output<unknown>;
    /** The database with MLflow's tables. */
    readonly database: pulumi.Output<unknown>;
    /** The store: whose S3 it is, and its volume or directory. */
    readonly store: pulumi.Output<unknown>;
    /** The bucket. */
    readonly bucket: pulumi.Output<unknown>;
}

/** The record for the next update. A place that this update did not get to is as it was. */
export function recordPlaces(
    configuration: Configuration,
    { cluster, database, store, bucket }: Facts,
    last: LastUpdate,
): Record<keyof DataPlaces, pulumi.Output<string | undefined>> {
    const places = placesOf(configuration, { project: pulumi.getProject(), stack: pulumi.getStack() });
    const known = (key: keyof DataPlaces, fact: pulumi.Output<unknown>) =>
        pulumi.recover<string | undefined>(
            fact.apply(() => places[key]),
            () => last.dataPlaces?.[key],
        );
    return {
        pgHost: known("pgHost", cluster),
        pgDatabase: known("pgDatabase", database),
        minioHost: known("minioHost", store),
        minioVolumePath: known("minioVolumePath", store),
        minioVolumeName: known("minioVolumeName", store),
        mlflowBucketName: known("mlflowBucketName", bucket),
    };
}

/** Where the data is, in words. */
function placeInWords(key: keyof DataPlaces, at: Readonly<Partial<DataPlaces>>): string {
    const cluster = at.pgHost ? `the PostgreSQL at ${at.pgHost}` : "the PostgreSQL that runs here";
    const volume = at.minioVolumePath
        ? `directory ${at.minioVolumePath}`
        : at.minioVolumeName
          ? `volume ${at.minioVolumeName}`
          : "the stack's own volume minio_data";
    const store = at.minioHost ? `the S3 store at ${at.minioHost}` : `the MinIO that runs here (${volume})`;
    return {
        pgHost: `experiments are in ${cluster}`,
        pgDatabase: `experiments are in database ${at.pgDatabase ?? ""} of ${cluster}`,
        minioHost: `artifacts are in ${store}`,
        minioVolumePath: `artifacts are in ${volume}`,
        minioVolumeName: `artifacts are in ${volume}`,
        mlflowBucketName: `artifacts are in bucket ${at.mlflowBucketName ?? ""} of ${store}`,
    }[key];
}

/**
 * Problems of a configuration that names other places than those where this stack's data is. A key that has a problem of its
 * own is absent from `c` though it is set.
 */
export function partingProblems(
    c: Partial<Configuration>,
    isSet: (key: keyof DataPlaces) => boolean,
    last: LastUpdate,
    names: Names,
): string[] {
    const now = placesOf(c, names);
    const before = last.dataPlaces ?? {};
    const isBroken = (key: keyof DataPlaces) => c[key] === undefined && isSet(key);
    const differs = (key: keyof DataPlaces) => before[key] !== undefined && before[key] !== now[key] && !isBroken(key);
    const isOther = (key: keyof DataPlaces) => differs(key) || isBroken(key);
    // What is inside a place is only compared where the place itself is the same.
    const keys: (keyof DataPlaces)[] = [
        "pgHost",
        ...(isOther("pgHost") ? [] : (["pgDatabase"] as const)),
        "minioHost",
        ...(isOther("minioHost") ? [] : (["minioVolumePath", "minioVolumeName", "mlflowBucketName"] as const)),
    ];
    return keys.filter(differs).map((key) => {
        const value = before[key] ?? "";
        const word = `${value.startsWith("-") ? "-- " : ""}${shellWord(value)}`;
        const undo = value === "" ? `pulumi config rm ${key}` : `pulumi config set ${key} ${word}`;
        return (
            `${key}: this stack's ${placeInWords(key, before)} and would stay there, out of its sight: ${undo}, or ` +
            `use another stack for other data (npm run delete-data -- ${names.stack} first, where nothing of it is needed)`
        );
    });
}
