/**
 * The images of a release: what a workflow builds, and the names and notes that it gives to what it built.
 *
 *   release.ts list                          lines for GITHUB_OUTPUT: builds (a matrix) and registry
 *   release.ts publish <directory> <notes>   names the images whose digests are in the directory; writes the release's notes
 */
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Build, builds } from "../components/image.ts";
import { keys } from "../config.ts";

/** Architectures, and the runner that builds each without emulation. */
const platforms = [
    { architecture: "amd64", platform: "linux/amd64", runner: "ubuntu-24.04" },
    { architecture: "arm64", platform: "linux/arm64", runner: "ubuntu-24.04-arm" },
];

/** An entry of the matrix. */
interface MatrixEntry {
    readonly image: string;
    readonly context: string;
    readonly target: string;
    readonly architecture: string;
    readonly platform: string;
    readonly runner: string;
}

/** Images that a stack can take from a registry: those with a key. */
export function released(): [string, Build][] {
    return Object.entries<Build>(builds).filter(([name]) => `${name}Image` in keys);
}

/** Every image for every platform. An empty target is the last stage. */
export function matrix(): MatrixEntry[] {
    return released().flatMap(([image, { context, target = "" }]) =>
        platforms.map((platform) => ({ image, context, target, ...platform })),
    );
}

/** Where a repository's images are. A registry knows lower case alone. */
export function registryOf(repository: string): string {
    return `ghcr.io/${repository.toLowerCase()}`;
}

/** Digests in a directory by image, from file names `<image>-<hexadecimal digits>`. */
export function digestsIn(files: readonly string[]): Record<string, string[]> {
    const digests: Record<string, string[]> = {};
    for (const [, image = "", digest = ""] of files.flatMap((file) => {
        const match = /^(.+)-([0-9a-f]{64})$/.exec(file);
        return match === null ? [] : [match];
    })) {
        (digests[image] ??= []).push(`sha256:${digest}`);
    }
    return digests;
}

/** The notes of a release: every image by its digest, and what to set for it. */
export function notes(version: string, images: readonly { name: string; reference: string }[]): string {
    return [
        `Images of ${version} for amd64 and arm64, each with an SBOM and its provenance (\`docker buildx imagetools inspect\`).`,
        "",
        "| image | reference |",
        "| --- | --- |",
        ...images.map(({ name, reference }) => `| ${name} | \`${reference}\` |`),
        "",
        "A stack takes them instead of building:",
        "",
        "```sh",
        ...images.map(
            ({ name, reference }) => `npm run pulumi -- config set ${name}Image ${reference} --stack <stack>`,
        ),
        "```",
        "",
    ].join("\n");
}

function imagetools(...args: string[]): string {
    return execFileSync("docker", ["buildx", "imagetools", ...args], { encoding: "utf8" });
}

function publish(directory: string, file: string, registry: string, version: string): void {
    const digests = digestsIn(readdirSync(directory));
    const images = released().map(([name, build]) => {
        const found = digests[name] ?? [];
        if (found.length !== platforms.length) {
            throw new Error(`${name} has ${found.length} digests, and there are ${platforms.length} platforms`);
        }
        const tags = [`${build.version}-${version}`, version].flatMap((tag) => ["--tag", `${registry}/${name}:${tag}`]);
        imagetools("create", ...tags, ...found.map((digest) => `${registry}/${name}@${digest}`));
        const index = imagetools("inspect", "--format", "{{.Manifest.Digest}}", `${registry}/${name}:${version}`);
        return { name, reference: `${registry}/${name}@${index.trim()}` };
    });
    writeFileSync(file, notes(version, images));
    console.log(readFileSync(file, "utf8"));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
    const [command, directory = "digests", file = "release.md"] = process.argv.slice(2);
    const { GITHUB_REPOSITORY = "", GITHUB_REF_NAME = "" } = process.env;
    if (command === "list") {
        console.log(`builds=${JSON.stringify(matrix())}\nregistry=${registryOf(GITHUB_REPOSITORY)}`);
    } else {
        publish(join(directory), file, registryOf(GITHUB_REPOSITORY), GITHUB_REF_NAME);
    }
}
