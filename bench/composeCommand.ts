/** Docker Compose 2: the docker command's plugin, else that of Debian 13's package, which is unpacked into the cache. */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { writeBuildSecrets } from "../components/buildSecrets.ts";
import type { Places } from "../operations/places.ts";
import type { Say } from "../operations/progress.ts";
import { UserError } from "../operations/userError.ts";

/** Program and first arguments of every Compose command. */
export type ComposeCommand = readonly [program: string, ...args: string[]];

/** Debian's package, and the plugin in it, which also runs by itself. */
const debianPackage = "docker-compose";
const plugin = "usr/libexec/docker/cli-plugins/docker-compose";

/** apt's options for a suite that is not the host's: sources, lists and downloads of its own, in a directory. */
export function aptOptions(sources: string, directory: string): string[] {
    return [
        `Dir::Etc::SourceList=${sources}`,
        "Dir::Etc::SourceParts=/dev/null",
        `Dir::State::Lists=${join(directory, "lists")}`,
        `Dir::Cache=${join(directory, "cache")}`,
        // Else root's downloads are another user's, who may not write there.
        "APT::Sandbox::User=root",
    ].flatMap((option) => ["-o", option]);
}

/** Unpacks Debian's package. Throws a UserError where that cannot be. */
async function unpack(places: Places, variables: Record<string, string>, to: string): Promise<void> {
    const directory = mkdtempSync(join(places.cache, "compose-"));
    try {
        mkdirSync(join(directory, "lists", "partial"), { recursive: true });
        mkdirSync(join(directory, "cache", "archives", "partial"), { recursive: true });
        // Debian 13's sources on the mirror that this host has for its own.
        const { aptSources } = writeBuildSecrets(places.project, process.env);
        const apt = ["apt-get", ...aptOptions(aptSources, directory)];
        for (const [program = "", ...args] of [
            [...apt, "update"],
            [...apt, "download", debianPackage],
            ["sh", "-c", `dpkg-deb --extract ./${debianPackage}_*.deb .`],
        ]) {
            const { failed, all } = await execa(program, args, {
                cwd: directory,
                env: variables,
                all: true,
                reject: false,
            });
            if (failed) {
                throw new UserError(
                    `There is no Docker Compose 2 here, and Debian's package cannot be had:\n${all.split("\n").slice(-8).join("\n")}`,
                    "Install Docker Compose 2 (docker compose version has to answer), and run this again.",
                );
            }
        }
        renameSync(join(directory, plugin), to);
    } finally {
        rmSync(directory, { recursive: true, force: true });
    }
}

/** Provides Compose, and says what it is. */
export async function provideCompose(
    places: Places,
    variables: Record<string, string>,
    say: Say,
): Promise<{ command: ComposeCommand; version: string }> {
    const versionOf = async ([program, ...args]: ComposeCommand) => {
        const result = await execa(program, [...args, "version", "--short"], { env: variables, reject: false });
        return result.failed ? undefined : result.stdout.trim();
    };
    const ofDocker: ComposeCommand = ["docker", "compose"];
    const found = await versionOf(ofDocker);
    if (found !== undefined) {
        return { command: ofDocker, version: found };
    }
    const file = join(places.cache, debianPackage);
    if (!existsSync(file)) {
        say("fetching Docker Compose 2 from Debian 13's packages");
        mkdirSync(places.cache, { recursive: true });
        await unpack(places, variables, file);
    }
    const version = await versionOf([file]);
    if (version === undefined) {
        throw new UserError(
            `Debian 13's Docker Compose does not run here (${file}).`,
            "Install Docker Compose 2 (docker compose version has to answer), and run this again.",
        );
    }
    return { command: [file], version };
}
