/** The checks of a takeover: they look at everything, at once, and change nothing. */
import { existsSync } from "node:fs";
import { execa } from "execa";
import { isLocal } from "../../hostCheck.ts";
import type { Say } from "../progress.ts";
import { UserError } from "../userError.ts";
import { contents } from "./databases.ts";
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
import type { Target } from "./target.ts";
import { runningContainers, usersOf } from "./users.ts";

/** What the checks found, once nothing is in the way. */
export interface Found {
    readonly disk: DiskFindings;
    readonly database: Exclude<DatabaseFindings, { refused: string }>;
    readonly oldData: string;
}

/** Looks at everything and changes nothing. Throws a UserError with all that is in the way. */
export async function check(target: Target, earlier: Earlier, options: TakeoverOptions, say: Say): Promise<Found> {
    const oldData = await locate(target, earlier);
    const inPlace = oldData === target.data;
    const { bucket, postgres } = earlier;
    say("looking at the earlier data");
    const [containers, disk, database, made, free] = await Promise.all([
        runningContainers(target.variables),
        target.ask<DiskFindings>(["inspect", "--bucket", bucket], target.withData(oldData), say),
        target.ask<DatabaseFindings>(
            ["report", "--bucket", bucket, ...(options.prefix === undefined ? [] : ["--prefix", options.prefix])],
            { network: options.network ?? earlier.network ?? target.network, input: JSON.stringify(postgres) },
            say,
        ),
        contents(target),
        freeForPostgres(target),
    ]);
    const own = new Set((["mlflow", "minio", "postgres"] as const).map((service) => target.container(service)));
    const others = containers.filter(({ name }) => !own.has(name));
    const problems = [
        ...runningProblems(usersOf(inPlace ? others : containers, oldData), oldData),
        ...inPlaceProblems(inPlace, options, target, oldData, bucket),
        ...diskProblems(disk, oldData, bucket, inPlace),
        ...databaseProblems(database, postgres, free, others),
        ...stackProblems(made, target.name),
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

/** Bytes that the stack's PostgreSQL has room for. */
async function freeForPostgres(target: Target): Promise<number> {
    const { stdout } = await target.inPostgres(["df", "--output=avail", "--block-size=1", "/var/lib/postgresql"], {
        database: "postgres",
    });
    return Number(stdout.trim().split("\n").at(-1));
}
