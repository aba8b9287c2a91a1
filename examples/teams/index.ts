/** An MLflow for each team, in one stack: no team reaches the other's network, database, bucket or login. */
import * as pulumi from "@pulumi/pulumi";
import { Image, Origin, builds, currentMaker, readJobRecords, recordJobs, writeBuildSecrets } from "mlflow-platform";
import { TeamPlatform } from "./teamPlatform.ts";

const config = new pulumi.Config();
/** Name of a team → the first of its three ports. */
const teams = config.requireObject<Record<string, number>>("teams");
const lastRecords = await readJobRecords();
writeBuildSecrets(process.cwd(), process.env);

const { labels } = new Origin("origin", { maker: currentMaker() });
// Debian 13, unless another image like it is named.
const baseImage = config.get("baseImage");
const images = {
    seed: new Image("seed", { build: builds.seed }).reference,
    postgres: new Image("postgres", { build: builds.postgres, baseImage }).reference,
    minio: new Image("minio", { build: builds.minio, baseImage }).reference,
    mlflow: new Image("mlflow", { build: builds.mlflow, baseImage }).reference,
};

const platforms = Object.entries(teams).map(
    ([team, firstPort]) => new TeamPlatform(team, { firstPort, images, lastRecords, labels }),
);

export default {
    teams: Object.fromEntries(
        platforms.map(({ name, trackingUri, adminPassword }) => [name, { trackingUri, adminPassword }]),
    ),
    // What the next update needs to know.
    jobs: recordJobs(
        Object.fromEntries(platforms.flatMap(({ jobRecords }) => Object.entries(jobRecords))),
        lastRecords,
    ),
};
