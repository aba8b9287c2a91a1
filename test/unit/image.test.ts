import {
    chmodSync,
    cpSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    realpathSync,
    renameSync,
    rmSync,
    statSync,
    symlinkSync,
    utimesSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { buildSecrets } from "../../components/buildSecrets.ts";
import { type Build, Image, buildTag, builds } from "../../components/image.ts";
import { record, valueOf } from "./support/recording.ts";

const project = join(import.meta.dirname, "../..");

describe("the tag of a build", () => {
    let directory: string;
    let build: Build;
    beforeEach(() => {
        directory = mkdtempSync(join(tmpdir(), "mlflow-platform-"));
        build = { context: join(directory, "context"), target: "server", version: "1.2" };
        mkdirSync(join(build.context, "folder"), { recursive: true });
        writeFileSync(join(build.context, "Dockerfile"), "FROM scratch\n");
        writeFileSync(join(build.context, "folder/start"), "#!/bin/sh\n");
    });
    afterEach(() => {
        rmSync(directory, { recursive: true });
    });
    const hashOf = (some: Build = build, base?: string) => buildTag("thing", some, base).hash;
    const inContext = (name: string) => join(build.context, name);

    it("says what it is: project, name, version, content", () => {
        const { tag, hash } = buildTag("thing", build);
        expect(hash).toMatch(/^[0-9a-f]{12}$/);
        expect(tag).toBe(`mlflow-platform/thing:1.2-${hash}`);
    });

    it("is the same each time", () => {
        expect(buildTag("thing", build, "debian:13")).toEqual(buildTag("thing", build, "debian:13"));
    });

    it.each<[string, () => void]>([
        [
            "a changed byte",
            () => {
                writeFileSync(inContext("Dockerfile"), "FROM Scratch\n");
            },
        ],
        [
            "a changed byte in a folder",
            () => {
                writeFileSync(inContext("folder/start"), "#!/bin/sh");
            },
        ],
        [
            "a new file",
            () => {
                writeFileSync(inContext("folder/new"), "");
            },
        ],
        [
            "a removed file",
            () => {
                rmSync(inContext("folder/start"));
            },
        ],
        [
            "a renamed file",
            () => {
                renameSync(inContext("folder/start"), inContext("folder/begin"));
            },
        ],
        [
            "a moved file",
            () => {
                renameSync(inContext("folder/start"), inContext("start"));
            },
        ],
        [
            "content moved from the end of one file to the start of the next",
            () => {
                writeFileSync(inContext("Dockerfile"), "FROM scratch");
                writeFileSync(inContext("folder/start"), "\n#!/bin/sh\n");
            },
        ],
    ])("changes with %s", (_words, change) => {
        const before = hashOf();
        change();
        expect(hashOf()).not.toBe(before);
    });

    it.each<[string, () => void]>([
        [
            "the time of a change",
            () => {
                utimesSync(inContext("Dockerfile"), 1, 1);
            },
        ],
        [
            "a mode, which a checkout may not keep",
            () => {
                chmodSync(inContext("folder/start"), 0o755);
            },
        ],
        [
            "an empty folder, which Git does not keep",
            () => {
                mkdirSync(inContext("empty"));
            },
        ],
        [
            "the order in which files were made",
            () => {
                rmSync(inContext("Dockerfile"));
                writeFileSync(inContext("a"), "");
                writeFileSync(inContext("Dockerfile"), "FROM scratch\n");
                rmSync(inContext("a"));
            },
        ],
    ])("does not change with %s", (_words, change) => {
        const before = hashOf();
        change();
        expect(hashOf()).toBe(before);
    });

    it("does not depend on where the checkout is", () => {
        const copy = join(directory, "another/checkout");
        cpSync(build.context, copy, { recursive: true });
        expect(hashOf({ ...build, context: copy })).toBe(hashOf());
        symlinkSync(build.context, join(directory, "link"));
        expect(hashOf({ ...build, context: join(directory, "link") })).toBe(hashOf());
    });

    it("changes with target and base, each on its own", () => {
        const plain: Build = { context: build.context, version: build.version };
        const hashes = [
            hashOf(plain),
            hashOf({ ...plain, target: "server" }),
            hashOf({ ...plain, target: "other" }),
            hashOf(plain, "server"),
            hashOf(plain, "debian:13"),
            hashOf({ ...plain, target: "server" }, "debian:13"),
        ];
        expect(new Set(hashes).size).toBe(hashes.length);
    });

    it("does not change with a base that the build does not start from", () => {
        expect(hashOf({ ...build, fromScratch: true }, "debian:13")).toBe(hashOf({ ...build, fromScratch: true }));
    });

    it("has another version in another place, with the same hash", () => {
        expect(buildTag("thing", { ...build, version: "2" }).tag).toBe(`mlflow-platform/thing:2-${hashOf()}`);
    });

    it("differs for any two different contents", () => {
        const content = fc.dictionary(fc.constantFrom("a", "b", "ab"), fc.string({ maxLength: 3 }), { maxKeys: 3 });
        const hashOfFiles = (files: Record<string, string>) => {
            const context = mkdtempSync(join(directory, "some-"));
            for (const [name, text] of Object.entries(files)) {
                writeFileSync(join(context, name), text);
            }
            return hashOf({ context, version: "1" });
        };
        const sorted = (files: Record<string, string>) => JSON.stringify(Object.entries(files).sort());
        fc.assert(
            fc.property(content, content, (one, other) => {
                expect(hashOfFiles(one) === hashOfFiles(other)).toBe(sorted(one) === sorted(other));
            }),
            { numRuns: 60 },
        );
    });
});

describe("an image", () => {
    const make = (args: ConstructorParameters<typeof Image>[1]) => record(() => new Image("thing", args));
    const build: Build = { context: builds.seed.context, version: "1" };
    const withTarget: Build = { ...build, target: "server" };

    it("is built from a directory of this project, under the tag of its content, and kept", async () => {
        const { registrations, get, result } = await make({ build });
        const { tag, hash } = buildTag("thing", build);
        expect(registrations.map(({ key }) => key)).toEqual([
            "mlflow-platform:Image thing",
            "docker:RemoteImage thing",
        ]);
        expect(get("docker:RemoteImage thing")).toMatchObject({
            type: "docker:index/remoteImage:RemoteImage",
            parent: "mlflow-platform:Image thing",
        });
        expect(get("docker:RemoteImage thing").inputs).toStrictEqual({
            name: tag,
            build: { context: "images/seed", secrets: buildSecrets },
            triggers: { hash },
            keepLocally: true,
        });
        expect(get("docker:RemoteImage thing").options).toStrictEqual({ deleteBeforeReplace: true, create: "60m" });
        expect(await valueOf(result.reference)).toBe(tag);
    });

    it.each([
        ["links to the checkout's files, as previews work in", true, "images/seed"],
        ["another program", false, join(relative(realpathSync(tmpdir()), project), "images/seed")],
    ])("is built from the same directory by %s", async (_words, links, context) => {
        const directory = links ? mkdtempSync(join(realpathSync(tmpdir()), "links-")) : realpathSync(tmpdir());
        if (links) {
            for (const name of ["package.json", "images"]) {
                symlinkSync(join(project, name), join(directory, name));
            }
        }
        process.chdir(directory);
        try {
            const { get } = await make({ build });
            expect(get("docker:RemoteImage thing").inputs.build).toMatchObject({ context });
        } finally {
            process.chdir(project);
            if (links) {
                rmSync(directory, { recursive: true });
            }
        }
    });

    it("is built from a stage, where one is named", async () => {
        const { get } = await make({ build: withTarget });
        expect(get("docker:RemoteImage thing").inputs.build).toStrictEqual({
            context: "images/seed",
            target: "server",
            secrets: buildSecrets,
        });
        expect(get("docker:RemoteImage thing").inputs.name).toBe(buildTag("thing", withTarget).tag);
    });

    it("has a second tag that stays, where one is named: it is no other image for that", async () => {
        const withStableTag: Build = { ...build, stableTag: "mlflow-platform/thing:1" };
        const { get, result } = await make({ build: withStableTag });
        expect(get("docker:RemoteImage thing").inputs).toStrictEqual({
            name: buildTag("thing", build).tag,
            build: { context: "images/seed", tags: ["mlflow-platform/thing:1"], secrets: buildSecrets },
            triggers: { hash: buildTag("thing", build).hash },
            keepLocally: true,
        });
        expect(await valueOf(result.reference)).toBe(buildTag("thing", build).tag);
        const other = await make({ build: withStableTag, reference: "registry.example.com/thing:1" });
        expect(other.get("docker:RemoteImage thing").inputs).not.toHaveProperty("build");
    });

    it("has one in this project where a file names it: what the projects of models run in", () => {
        const stable = Object.entries<Build>(builds).filter(([, { stableTag }]) => stableTag !== undefined);
        expect(stable).toEqual([
            [
                "model",
                {
                    context: "images/mlflow",
                    target: "model",
                    version: builds.mlflow.version,
                    stableTag: `mlflow-platform/model:${builds.mlflow.version}`,
                    log: true,
                },
            ],
        ]);
    });

    it("writes what its build says to a file, where that is asked for: it is no other image for that", async () => {
        const file = "node_modules/.cache/mlflow-platform/thing.log";
        rmSync(file, { force: true });
        const logged: Build = { ...build, log: true };
        const { get } = await make({ build: logged });
        expect(get("docker:RemoteImage thing").inputs).toStrictEqual({
            name: buildTag("thing", build).tag,
            build: { context: "images/seed", secrets: buildSecrets, buildLogFile: file },
            triggers: { hash: buildTag("thing", build).hash },
            keepLocally: true,
        });
        // The provider fails where its directory is not there, and appends: it is begun anew when it is long.
        expect(existsSync(dirname(file))).toBe(true);
        writeFileSync(file, "x".repeat(2 ** 20));
        await make({ build: logged });
        expect(statSync(file).size).toBe(2 ** 20);
        writeFileSync(file, "x".repeat(2 ** 20 + 1));
        await make({ build: logged });
        expect(existsSync(file)).toBe(false);
    });

    it("is built on another base, where one is named", async () => {
        const { get } = await make({ build, baseImage: "debian:13" });
        expect(get("docker:RemoteImage thing").inputs.build).toStrictEqual({
            context: "images/seed",
            buildArgs: { BASE_IMAGE: "debian:13" },
            secrets: buildSecrets,
        });
        expect(get("docker:RemoteImage thing").inputs.name).toBe(buildTag("thing", build, "debian:13").tag);
    });

    it("is not built where another one is named", async () => {
        const { get, result } = await make({
            build,
            reference: "registry.example.com/thing:1",
            baseImage: "debian:13",
        });
        expect(get("docker:RemoteImage thing").inputs).toStrictEqual({
            name: "registry.example.com/thing:1",
            keepLocally: true,
        });
        expect(get("docker:RemoteImage thing").options).toStrictEqual({ deleteBeforeReplace: true });
        expect(await valueOf(result.reference)).toBe("registry.example.com/thing:1");
    });
});
