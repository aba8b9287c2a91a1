/** The checks of a takeover: they look at everything, at once, and change nothing. */
import { existsSync } from "node:fs";
import { networkNames } from "../../components/minio.ts";
import { execa } from "execa";
import { isLocal } from "../../hostCheck.ts";
import type { Say } from "../progress.ts";
import { UserError } from "../userError.ts";
import { contents } from "./contents.ts";
import type { Earlier } from "./earlier.ts";
import {
    type DatabaseFindings,
    type DiskFindings,
    type Problem,
    databaseProblems,
    diskProblems,
    runningProblems,
    stackProblems,
} from "./findings.ts";
import type { TakeoverOptions } from "./options.ts";
import type { TakeoverFiles } from "./record.ts";
import { type Copy, type Disk, disk as diskOf, engineDisk, postgresDisk, roomProblems } from "./room.ts";
import type { Target } from "./target.ts";
import { realPath, runningContainers, usersOf } from "./users.ts";

/** What the checks found, once nothing is in the way. */
export interface Found {
    readonly disk: DiskFindings;
    readonly database: Exclude<DatabaseFindings, { refused: string }>;
    readonly oldData: string;
}

/** Looks at everything and changes nothing. Throws a UserError with all that is in the way. */
export async function check(
    target: Target,
    earlier: Earlier,
    options: TakeoverOptions,
    files: TakeoverFiles,
    say: Say,
): Promise<Found> {
    const oldData = await locate(target, earlier);
    const { bucket, postgres } = earlier;
    const network = options.network ?? earlier.network ?? target.network;
    const containerNames = (["mlflow", "minio", "postgres"] as const).map((service) => target.container(service));
    const misled = networkProblems(postgres.host, network === target.network, containerNames);
    say("looking at the earlier data");
    const [containers, disk, database, stackDisk] = await Promise.all([
        runningContainers(target.variables),
        target.ask<DiskFindings>(["inspect", "--bucket", bucket], target.withData(oldData), say),
        misled.length > 0
            ? { refused: "it was not asked" }
            : target.ask<DatabaseFindings>(
                  ["report", "--bucket", bucket, ...(options.prefix === undefined ? [] : ["--prefix", options.prefix])],
                  { network, input: JSON.stringify(postgres) },
                  say,
              ),
        postgresDisk(target),
    ]);
    const inPlace = disk.same;
    const made = await contents(target, inPlace, say);
    const others = containers.filter(({ name }) => !containerNames.includes(name));
    const engine = target.variables.DOCKER_HOST;
    const users = usersOf(inPlace ? others : containers, oldData, isLocal(engine) ? realPath : undefined);
    const problems = [
        ...runningProblems(users, oldData),
        ...inPlaceProblems(inPlace, options, target, oldData, bucket),
        ...diskProblems(disk, oldData, bucket),
        ...(misled.length > 0 ? misled : databaseProblems(database, postgres, others)),
        ...roomProblems(copies(disk, database, inPlace, stackDisk, diskOf(files.directory, engine))),
        ...stackProblems(made, target.name, inPlace),
    ];
    if (problems.length > 0 || database.refused !== undefined) {
        throw new UserError(
            `The takeover cannot begin, and nothing was changed:\n${problems.map(({ what }) => `- ${what}`).join("\n")}`,
            problems.map(({ cure }) => `- ${cure}`).join("\n"),
        );
    }
    return { disk, database, oldData };
}

/** The earlier data's place on the engine. */
async function locate(target: Target, { data }: Earlier): Promise<string> {
    if (data.kind === "directory") {
        if (isLocal(target.variables.DOCKER_HOST) && !existsSync(data.path)) {
            throw new UserError(
                `There is no directory ${data.path}.`,
                "--data names the directory, or the volume, of the earlier MinIO.",
            );
        }
        return data.path;
    }
    for (const name of data.names) {
        const { exitCode } = await execa("docker", ["volume", "inspect", name], {
            env: target.variables,
            reject: false,
        });
        if (exitCode === 0) {
            return name;
        }
    }
    throw new UserError(
        `The engine has no volume ${data.names.join(" or ")}.`,
        "--data names the volume, or the directory, of the earlier MinIO; docker volume ls lists the volumes.",
    );
}

/** That the data is where --in-place says, or is not. */
function inPlaceProblems(
    inPlace: boolean,
    options: TakeoverOptions,
    { configuration, name }: Target,
    oldData: string,
    bucket: string,
): Problem[] {
    if (inPlace !== (options.inPlace ?? false)) {
        return [
            inPlace
                ? {
                      what: `Stack ${name} uses ${oldData} itself.`,
                      cure: "With --in-place its objects stay there, and the database alone is taken over.",
                  }
                : {
                      what: `--in-place is for a stack whose MinIO uses ${oldData} itself; that of ${name} does not.`,
                      cure: "Set minioVolumePath or minioVolumeName in a new stack before its first start, or leave --in-place out.",
                  },
        ];
    }
    return inPlace && configuration.mlflowBucketName !== bucket
        ? [
              {
                  what: `Stack ${name} has the bucket ${configuration.mlflowBucketName}, and the earlier one is ${bucket}.`,
                  cure: `In place it has to be the same: mlflowBucketName ${bucket}, before the first start.`,
              },
          ]
        : [];
}

/** That PG_HOST is not a name that the stack's own network gives to the stack's own services. */
export function networkProblems(host: string, isOwnNetwork: boolean, containerNames: readonly string[]): Problem[] {
    const names = ["postgres", "mlflow", ...networkNames("minio"), ...containerNames];
    return isOwnNetwork && names.includes(host.toLowerCase())
        ? [
              {
                  what: `PG_HOST is ${host}, which on the stack's network is a service of the stack itself.`,
                  cure: "--network names the Compose project's network, on which it is the earlier one; docker network ls lists them.",
              },
          ]
        : [];
}

/** The copies that are made, each with the disk that it goes to. */
function copies(
    found: DiskFindings,
    database: DatabaseFindings,
    inPlace: boolean,
    postgres: Disk,
    state: Disk,
): Copy[] {
    return [
        ...(inPlace ? [] : [{ ...engineDisk(found.device, found.free), what: "objects", bytes: found.bytes }]),
        ...(database.refused === undefined
            ? [
                  // With its indexes and the log of what was written.
                  { ...postgres, what: "database", bytes: 2 * database.bytes },
                  { ...state, what: "dump", bytes: database.bytes },
              ]
            : []),
    ];
}
