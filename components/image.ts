import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { buildLog } from "./buildLog.ts";
import { buildSecrets } from "./buildSecrets.ts";

/** An image that this project can build. */
export interface Build {
    /** Directory with the Dockerfile, relative to this package. */
    readonly context: string;
    /** Stage of the Dockerfile. Defaults to the last. */
    readonly target?: string;
    /** Version of the software in it, for the tag. */
    readonly version: string;
    /** A second tag that stays the same, for files that name the image and cannot know its content. */
    readonly stableTag?: string;
    /** Starts from nothing instead of the base image. Defaults to false. */
    readonly fromScratch?: boolean;
    /**
     * Its output goes to a file, from which commands show how far it is. Defaults to false. Setting it replaces the image in
     * every stack, so an image gets it together with a change of its content, which does the same.
     */
    readonly log?: boolean;
}

/** What the platform runs. */
export const builds = {
    seed: { context: "images/seed", version: "1", fromScratch: true },
    postgres: { context: "images/postgres", version: "17" },
    minio: { context: "images/minio", version: "2026-02-12", log: true },
    gateway: { context: "images/gateway", version: "2.11.9" },
    mlflow: { context: "images/mlflow", target: "server", version: "3.17.2", log: true },
    model: {
        context: "images/mlflow",
        target: "model",
        version: "3.17.2",
        stableTag: "mlflow-platform/model:3.17.2",
        log: true,
    },
} satisfies Record<string, Build>;

/** Arguments of `Image`. */
export interface ImageArgs {
    /** What to build. */
    build: Build;
    /** Reference in a registry (or of an image that the engine has), instead of the build. */
    reference?: string | undefined;
    /** Image to start from. Defaults to the one that the Dockerfile pins. */
    baseImage?: string | undefined;
}

const packageJson = createRequire(import.meta.url).resolve("mlflow-platform/package.json");

/**
 * The directory of a build, from that of the program: the same in every checkout, and so in the state. The program may be this
 * package's own, also where its files are links to those of the checkout.
 */
function contextOf({ context }: Build): string {
    const own = join(process.cwd(), "package.json");
    const isOwn = existsSync(own) && realpathSync(own) === realpathSync(packageJson);
    return isOwn ? context : relative(process.cwd(), resolve(dirname(packageJson), context));
}

/**
 * 12 hexadecimal digits that stand for all that goes into a build: names and bytes of the context's files, and the
 * settings. Modes are left out: they differ between checkouts by umask.
 */
function contentHash(context: string, ...settings: string[]): string {
    const hash = createHash("sha256");
    const files = readdirSync(context, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .map((path) => ({ path, name: relative(context, path).split(sep).join("/") }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const { path, name } of files) {
        const content = readFileSync(path);
        hash.update(`${name}\0${content.length}\0`).update(content);
    }
    for (const setting of settings) {
        hash.update(`${setting}\0`);
    }
    return hash.digest("hex").slice(0, 12);
}

/** The tag of a build: `mlflow-platform/<name>:<version>-<content hash>`, the same on every machine with the same base. */
export function buildTag(name: string, build: Build, baseImage?: string): { tag: string; hash: string } {
    const hash = contentHash(contextOf(build), build.target ?? "", build.fromScratch ? "" : (baseImage ?? ""));
    return { tag: `mlflow-platform/${name}:${build.version}-${hash}`, hash };
}

/**
 * An image on the engine: built from a directory of this project, under a tag that names its content, or taken from a
 * registry. It is kept when the stack goes: other stacks on the engine share it.
 */
export class Image extends pulumi.ComponentResource {
    /** Reference to run. */
    public readonly reference: pulumi.Output<string>;
    /** What is replaced when the image is another one. */
    public readonly resource: pulumi.Resource;

    constructor(name: string, args: ImageArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:Image", name, {}, opts);
        const image = this.make(name, args);
        this.resource = image;
        this.reference = image.name;
        this.registerOutputs({ reference: this.reference });
    }

    private make(name: string, args: ImageArgs): docker.RemoteImage {
        const options = { parent: this, deleteBeforeReplace: true };
        if (args.reference !== undefined) {
            return new docker.RemoteImage(name, { name: args.reference, keepLocally: true }, options);
        }
        const { build, baseImage } = args;
        const { tag, hash } = buildTag(name, build, baseImage);
        return new docker.RemoteImage(
            name,
            {
                name: tag,
                build: {
                    context: contextOf(build),
                    ...(build.target === undefined ? {} : { target: build.target }),
                    ...(build.stableTag === undefined ? {} : { tags: [build.stableTag] }),
                    ...(baseImage === undefined ? {} : { buildArgs: { BASE_IMAGE: baseImage } }),
                    secrets: buildSecrets,
                    ...(build.log ? { buildLogFile: buildLog(name) } : {}),
                },
                // The provider does not look into the context.
                triggers: { hash },
                keepLocally: true,
            },
            { ...options, customTimeouts: { create: "60m" } },
        );
    }
}
