/** MinIO's client. The platform has no use for it, so its image is made where a test asks for it, once on an engine. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalWorkspace, PulumiCommand } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { writeBuildSecrets } from "../../../components/buildSecrets.ts";
import { type Build, Image, buildTag, builds } from "../../../components/image.ts";
import { placesOf } from "../../../operations/places.ts";
import { cliRoot, pulumiVariables } from "../../../operations/workspace.ts";
import { docker } from "./engine.ts";

const project = join(import.meta.dirname, "../../..");

/** A container with `mc` and a shell. */
export interface MinioClient {
    readonly name: string;
    /** Runs a command in it. */
    readonly exec: (...command: string[]) => Promise<string>;
    readonly remove: () => Promise<void>;
}

/** Starts one on a network; `servers` are URLs with credentials by the names that `mc` calls them. */
export async function minioClient(
    network: string,
    servers: Readonly<Record<string, string>> = {},
): Promise<MinioClient> {
    const name = `minio-client-${randomBytes(3).toString("hex")}`;
    const environment = Object.entries(servers).flatMap(([server, url]) => ["--env", `MC_HOST_${server}=${url}`]);
    const options = ["--detach", "--name", name, "--network", network, ...environment];
    await docker("run", ...options, await image(), "sleep", "infinity");
    return {
        name,
        exec: (...command) => docker("exec", name, ...command),
        remove: async () => {
            await docker("rm", "--force", name);
        },
    };
}

/** The image, built as the platform's own are. */
async function image(): Promise<string> {
    const build: Build = { context: join(project, "images/minio"), target: "client", version: builds.minio.version };
    const { MLFLOW_PLATFORM_BASE_IMAGE: baseImage } = process.env;
    const { tag } = buildTag("minio-client", build, baseImage);
    if ((await execa("docker", ["image", "inspect", tag], { reject: false })).exitCode === 0) {
        return tag;
    }
    const directory = mkdtempSync(join(tmpdir(), "minio-client-"));
    try {
        writeBuildSecrets(directory, process.env);
        const places = placesOf(process.env);
        const own = { PULUMI_BACKEND_URL: `file://${directory}`, PULUMI_CONFIG_PASSPHRASE: "" };
        const program = () => {
            new Image("minio-client", { build, ...(baseImage ? { baseImage } : {}) });
            return Promise.resolve();
        };
        const stack = await LocalWorkspace.createStack(
            { stackName: "client", projectName: "minio-client", program },
            {
                workDir: directory,
                pulumiCommand: await PulumiCommand.get({ root: cliRoot(places) }),
                envVars: pulumiVariables(places, { ...process.env, ...own }, { baseImage }),
            },
        );
        await stack.up();
    } finally {
        // The image stays, as every one that a program has built.
        rmSync(directory, { recursive: true });
    }
    return tag;
}
