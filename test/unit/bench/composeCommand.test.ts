/** Where Docker Compose comes from: docker's own plugin, the cache, or Debian's package. */
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { aptOptions, provideCompose } from "../../../bench/composeCommand.ts";
import { UserError } from "../../../operations/userError.ts";
import { Commands } from "../support/commands.ts";

describe("Docker Compose", () => {
    let commands: Commands;
    let said: string[];
    beforeEach(() => {
        commands = new Commands();
        commands.add("docker", {});
        said = [];
    });
    afterEach(() => {
        commands.remove();
    });
    const provide = () => provideCompose(commands.places, commands.variables, (line) => said.push(line));
    const cached = () => join(commands.places.cache, "docker-compose");
    const script = (file: string, text: string) => {
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, `#!/bin/sh\n${text}\n`);
        chmodSync(file, 0o755);
    };
    /** dpkg-deb, which finds the plugin in the package that apt-get has fetched. */
    const addPackage = (answer: string) => {
        const plugin = "usr/libexec/docker/cli-plugins/docker-compose";
        script(
            join(commands.directory, "bin", "dpkg-deb"),
            `mkdir -p ${dirname(plugin)} && printf '#!/bin/sh\\n${answer}\\n' >${plugin} && chmod 755 ${plugin}`,
        );
    };

    it("is docker's own where it has one", async () => {
        commands.add("docker", { "compose version --short": "2.40.0\n" });
        expect(await provide()).toEqual({ command: ["docker", "compose"], version: "2.40.0" });
        expect(said).toEqual([]);
    });

    it("is fetched once from Debian's packages where docker has none, and leaves nothing beside it", async () => {
        script(join(commands.directory, "bin", "apt-get"), `echo "$*" >>'${commands.directory}/apt'`);
        addPackage("echo 2.26.1-4");
        expect(await provide()).toEqual({ command: [cached()], version: "2.26.1-4" });
        expect(said).toEqual(["fetching Docker Compose 2 from Debian 13's packages"]);
        expect(readdirSync(commands.places.cache)).toEqual(["docker-compose"]);

        commands.add("apt-get", {});
        expect(await provide()).toEqual({ command: [cached()], version: "2.26.1-4" });
        expect(said).toHaveLength(1);
    });

    it("is refused with apt's last lines where the package cannot be had", async () => {
        commands.add("apt-get", {});
        const error = await provide().catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(UserError);
        expect((error as UserError).message).toMatch(/^There is no Docker Compose 2 here, .*\nunexpected: -o Dir::Etc/);
        expect(readdirSync(commands.places.cache)).toEqual([]);
    });

    it("is refused where the package's does not run here", async () => {
        commands.add("apt-get", { "-o": "" });
        addPackage("exit 1");
        await expect(provide()).rejects.toThrow(`Debian 13's Docker Compose does not run here (${cached()}).`);
        expect(existsSync(cached())).toBe(true);
    });
});

describe("apt's options for another suite", () => {
    it("name no directory of the host's", () => {
        const options = aptOptions("/s/debian.sources", "/w");
        expect(options.filter((_, index) => index % 2 === 0)).toEqual(Array(5).fill("-o"));
        expect(options.filter((_, index) => index % 2 === 1)).toEqual([
            "Dir::Etc::SourceList=/s/debian.sources",
            "Dir::Etc::SourceParts=/dev/null",
            "Dir::State::Lists=/w/lists",
            "Dir::Cache=/w/cache",
            "APT::Sandbox::User=root",
        ]);
    });
});
