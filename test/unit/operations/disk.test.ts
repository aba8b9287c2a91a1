/** Disks: sizes as df and docker write them, percentages as df counts them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type StackContainer } from "../../../operations/containers.ts";
import { bytesOf, disksOf, hostDisk, parseDf, sizeInWords, volumeSizes } from "../../../operations/status/disk.ts";
import { Commands } from "../support/commands.ts";

describe("a disk", () => {
    it("by df: used of what is used and can be written, rounded up, and its inodes", () => {
        const output = " 1B-blocks Used Avail Inodes IFree\n 1000 395 500 200 150\n";
        expect(parseDf("engine", "/d", output)).toEqual({
            what: "engine",
            path: "/d",
            size: 1000,
            free: 500,
            usedPercent: 45,
            usedInodesPercent: 25,
        });
    });

    it("by df without inodes has no limit of them, and no answer is no disk", () => {
        expect(parseDf("e", "/d", "x\n1000 0 1000 - -\n")?.usedInodesPercent).toBeNull();
        expect(parseDf("e", "/d", "x\n1000 0 1000 0 0\n")).toMatchObject({ usedInodesPercent: null, usedPercent: 0 });
        expect(parseDf("e", "/d", "df: no such file\n")).toBeUndefined();
        expect(parseDf("e", "/d", "")).toBeUndefined();
    });

    it("that has no room at all is full", () => {
        expect(parseDf("e", "/d", "x\n0 0 0 0 0\n")?.usedPercent).toBe(100);
    });

    it("of this host is looked at here; a directory that there is not is none", () => {
        const directory = mkdtempSync(join(tmpdir(), "disk-"));
        expect(hostDisk("mine", directory)?.size).toBeGreaterThan(0);
        rmSync(directory, { recursive: true });
        expect(hostDisk("mine", directory)).toBeUndefined();
    });
});

describe("sizes", () => {
    it.each([
        ["0B", 0],
        ["48.63MB", 48_630_000],
        ["1.2GiB", 1_288_490_189],
        ["183.1 MiB", 191_994_266],
        ["6kB", 6000],
        ["N/A", null],
        ["--", null],
        ["", null],
    ])("%s is %s bytes", (text, bytes) => {
        expect(bytesOf(text)).toBe(bytes);
    });

    it.each([
        [0, "0 B"],
        [1023, "1023 B"],
        [1024, "1.0 KiB"],
        [2 ** 31, "2.0 GiB"],
        [183 * 2 ** 20, "183 MiB"],
        [3 * 2 ** 50, "3072 TiB"],
    ])("%s bytes are %s", (bytes, words) => {
        expect(sizeInWords(bytes)).toBe(words);
    });
});

describe("on an engine elsewhere", () => {
    let commands: Commands;
    beforeEach(() => {
        commands = new Commands();
    });
    afterEach(() => {
        commands.remove();
    });
    const remote = () => ({ ...commands.variables, DOCKER_HOST: "ssh://unit.invalid" });
    const container = (name: string, state: string, mounts: StackContainer["mounts"]) =>
        ({ name, container: `c-${name}`, state, mounts }) as unknown as StackContainer;
    const postgres = (state: string) => container("postgres", state, [{ kind: "volume", source: "v", path: "/pg" }]);
    const minio = container("minio", "running", [{ kind: "directory", source: "/srv/minio", path: "/data" }]);

    it("disks are seen by a running container that has something on them", async () => {
        commands.add("docker", {
            info: "/var/lib/docker\n",
            "exec c-postgres df": "x\n100 20 80 0 0\n",
            "exec c-minio df": "x\n100 90 10 0 0\n",
        });
        const disks = await disksOf([minio, postgres("running")], "/srv/minio", remote());
        expect(disks.map(({ what, path, usedPercent }) => [what, path, usedPercent])).toEqual([
            ["engine", "/var/lib/docker", 20],
            ["minioVolumePath", "/srv/minio", 90],
        ]);
    });

    it("and by nobody where nothing runs", async () => {
        commands.add("docker", { info: "/var/lib/docker\n" });
        expect(await disksOf([postgres("exited")], undefined, remote())).toEqual([]);
    });

    it("sizes of volumes are by name, and unknown where the engine does not say", async () => {
        commands.add("docker", { "system df": "v\t1.5kB\nw\tN/A\n\n" });
        expect([...(await volumeSizes(remote()))]).toEqual([["v", 1500]]);
        commands.add("docker", {});
        expect([...(await volumeSizes(remote()))]).toEqual([]);
    });
});
