/** The image from which an engine elsewhere is looked at: the base, where that engine has nothing yet. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type BasePlan, provideBase } from "../../../operations/baseImage.ts";
import { checkDisk } from "../../../operations/stackCheck.ts";
import { Commands } from "../support/commands.ts";

let commands: Commands;
beforeEach(() => {
    commands = new Commands();
    vi.stubEnv("PATH", commands.variables.PATH);
});
afterEach(() => {
    commands.remove();
    vi.unstubAllEnvs();
});

const engine = "ssh://ana@desk";
const host = `--host ${engine}`;
const plan: BasePlan = { source: "registry", reference: "debian:13", ready: true, reason: "" };
/** What is said, and whether an image is pulled. */
const provide = async (DOCKER_HOST: string, some: Partial<BasePlan> = {}) => {
    const said: string[] = [];
    await provideBase({ ...plan, ...some }, commands.places, { ...commands.variables, DOCKER_HOST }, (line) =>
        said.push(line),
    );
    return { said, pulled: commands.calls().filter((call) => call.includes(" pull ")) };
};

it("is pulled where the engine has none", async () => {
    commands.add("docker", { [`${host} pull --quiet debian:13`]: "debian:13" });
    expect(await provide(engine)).toEqual({
        said: ["pulling debian:13, to look at the engine's host with"],
        pulled: [`${host} pull --quiet debian:13`],
    });
});

it("is said to be missing where it cannot be pulled", async () => {
    commands.add("docker", {});
    expect((await provide(engine)).said.at(-1)).toBe(
        "the engine cannot pull debian:13: ports, directories and the disk of its host are not looked at beforehand",
    );
});

it.each([
    ["the engine has one", engine, { [`${host} image ls`]: "mlflow-platform/mlflow:3-a" }, {}],
    ["the engine has the base", engine, { [`${host} image inspect --format - debian:13`]: "-" }, {}],
    ["the engine is here", "unix:///var/run/docker.sock", {}, {}],
    ["the base is made from packages, and is there", engine, {}, { source: "packages" as const }],
])("is not pulled where %s", async (_words, address, answers, some) => {
    commands.add("docker", { ...answers, "image inspect": "" });
    expect(await provide(address, some)).toEqual({ said: [], pulled: [] });
});

it.each([
    [
        "too full",
        "262144 4096",
        /The disk of the Docker engine \(\/var\/lib\/docker\) has 1\.0 GiB free, and 7 GiB are needed/,
    ],
    ["not full", "2621440 4096", undefined],
    ["not to be looked at", "", undefined],
])("shows that the engine's disk is %s", async (_words, answer, refusal) => {
    commands.add("docker", {
        "info --format {{.DockerRootDir}}": "/var/lib/docker",
        [`${host} image ls`]: "mlflow-platform/mlflow:3-a",
        [`${host} run`]: answer,
    });
    const checked = checkDisk(true, { ...commands.variables, DOCKER_HOST: engine });
    await (refusal === undefined ? checked : expect(checked).rejects.toThrow(refusal));
});
