import { randomBytes } from "node:crypto";
import { expect, inject, it } from "vitest";
import { containersOf, docker, dockerLines } from "../support/engine.ts";
import { type Platform, basic, plantedValues } from "../support/platforms.ts";
import { runPython } from "../support/python.ts";

const platforms = [inject("generated"), inject("planted")];

it("two stacks have no name in common but the images'", async () => {
    const [first = [], second = []] = await Promise.all(
        platforms.map(async ({ stack }) => {
            const filter = `label=mlflow-platform.stack=${stack}`;
            return [
                ...(await containersOf(stack)).map(({ Name }) => Name),
                ...(await dockerLines("volume", "ls", "--filter", filter, "--format", "{{.Name}}")),
                ...(await dockerLines("network", "ls", "--filter", filter, "--format", "{{.Name}}")),
            ];
        }),
    );
    expect(first.length).toBe(10 + 9 + 1);
    // Its objects are in a directory of the host instead of a volume.
    expect(second.length).toBe(10 + 8 + 1);
    expect(first.filter((name) => second.includes(name))).toEqual([]);
    const images = await Promise.all(
        platforms.map(async ({ stack }) => [...new Set((await containersOf(stack)).map(({ Image }) => Image))].sort()),
    );
    expect(images[0]).toEqual(images[1]);
});

it("each sees its own data only", async () => {
    const text = `only here ${randomBytes(4).toString("hex")}`;
    const [here] = platforms;
    const { runId } = await runPython<{ runId: string }>("log_and_read.py", [here?.trackingUri ?? "", "log", text]);
    const get = async ({ trackingUri, login }: Platform) => {
        const headers = basic(login.MLFLOW_TRACKING_USERNAME, login.MLFLOW_TRACKING_PASSWORD);
        const url = `${trackingUri}/api/2.0/mlflow/runs/get?run_id=${runId}`;
        return (await fetch(url, { headers })).status;
    };
    expect(await Promise.all(platforms.map(get))).toEqual([200, 404]);
});

it("containers of one stack do not reach the other's", async () => {
    const [here, there] = platforms.map(({ stack }) => stack);
    const port = plantedValues.pgPort?.value ?? "";
    const address = await docker(
        "inspect",
        "--format",
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        `mlflow-platform-${there ?? ""}-postgres`,
    );
    const probe = `import socket,sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3); print("reached")
except OSError: print("not reached")`;
    const from = (stack: string | undefined) =>
        docker("exec", `mlflow-platform-${stack ?? ""}-mlflow`, "python3", "-c", probe, address, port);
    expect(await from(there)).toBe("reached");
    expect(await from(here)).toBe("not reached");
});
