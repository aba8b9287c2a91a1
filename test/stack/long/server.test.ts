/** The tracking server's processes: forks of one that supervises them. What dies is replaced, and what stops ends in order. */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { type ClientRequest, request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { describe, expect, inject, it } from "vitest";
import { container, docker, healthy, serverProcesses } from "../support/engine.ts";
import { scripts } from "../support/python.ts";

const { stack, trackingUri } = inject("generated");
const name = `mlflow-platform-${stack}-mlflow`;
const probed = "/api/3.0/mlflow/server-info";

/** A request on a connection of its own, and its answer. */
function send(
    method: string,
    path: string,
): { request: ClientRequest; answer: Promise<{ status: number; body: Buffer }> } {
    const sent = request(new URL(path, trackingUri), { method, agent: false });
    const answer = new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
        sent.on("error", reject).on("response", (response) => {
            const chunks: Buffer[] = [];
            response.on("data", (chunk: Buffer) => chunks.push(chunk));
            response.on("end", () => {
                resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) });
            });
        });
    });
    return { request: sent, answer };
}

async function get(path: string): Promise<{ status: number; body: Buffer }> {
    const { request: sent, answer } = send("GET", path);
    sent.end();
    return answer;
}

const without = (variables: Record<string, string>, ...names: string[]) =>
    Object.fromEntries(Object.entries(variables).filter(([key]) => !names.includes(key)));

/** Runs Python in the server's container. */
async function python(code: string, ...options: string[]): Promise<string> {
    return docker("exec", name, "python", ...options, "-c", code);
}

/** The lines that the server wrote while something was done, up to one that has to come: a log follows its answer. */
async function linesOf(act: () => Promise<unknown>, awaited: RegExp): Promise<string[]> {
    const written = async () => (await execa("docker", ["logs", name], { all: true })).all.split("\n");
    const before = (await written()).length;
    await act();
    for (let tries = 0; ; tries++) {
        const lines = (await written()).slice(before);
        if (lines.some((line) => awaited.test(line)) || tries === 40) {
            return lines;
        }
        await sleep(250);
    }
}

describe("the processes", () => {
    it("are one that supervises, with one thread, and two that serve", async () => {
        const { supervisor, workers } = await serverProcesses(stack);
        expect(workers).toHaveLength(2);
        expect(readdirSync(`/proc/${supervisor}/task`)).toHaveLength(1);
    });

    it("are given what `mlflow server` gives its own", async () => {
        const code = readFileSync(join(scripts, "server_environment.py"), "utf8");
        const { ours, theirs } = JSON.parse((await python(code)).split("\n").at(-1) ?? "") as Record<
            "ours" | "theirs",
            Record<string, string>
        >;
        // MLflow's own defaults, said again; and what concerns no answer.
        const { MLFLOW_SERVER_SECRETS_CACHE_TTL: ttl, MLFLOW_SERVER_SECRETS_CACHE_MAX_SIZE: size } = theirs;
        const given = without(ours, "_MLFLOW_SERVER_BOOT_ID", "OPENBLAS_NUM_THREADS", "JE_ARROW_MALLOC_CONF");
        const theirsGiven = without(
            theirs,
            "_MLFLOW_SERVER_BOOT_ID",
            "MLFLOW_SERVER_SECRETS_CACHE_TTL",
            "MLFLOW_SERVER_SECRETS_CACHE_MAX_SIZE",
        );
        expect(ours._MLFLOW_SERVER_BOOT_ID).toMatch(/^[0-9a-f]{32}$/);
        expect([ttl, size]).toEqual(["60", "1000"]);
        expect(given).toEqual(theirsGiven);
        expect(Object.keys(given)).toHaveLength(7);
    });

    it("one that is killed is replaced, and requests go on", async () => {
        const before = await serverProcesses(stack);
        const [victim = 0, survivor = 0] = before.workers;
        process.kill(victim, "SIGKILL");
        let now = before;
        const answers = [];
        for (let tries = 0; tries < 200 && (now.workers.length < 2 || now.workers.includes(victim)); tries++) {
            answers.push((await get(probed)).status);
            now = await serverProcesses(stack);
        }
        expect(now.supervisor).toBe(before.supervisor);
        expect(now.workers).toHaveLength(2);
        expect(now.workers).toContain(survivor);
        expect(now.workers).not.toContain(victim);
        for (let more = 0; more < 20; more++) {
            answers.push((await get(probed)).status);
        }
        expect(new Set(answers)).toEqual(new Set([200]));
    });

    it("end in order at a stop, after the request that is under way", async () => {
        const content = randomBytes(1024);
        const artifact = `/api/2.0/mlflow-artifacts/artifacts/server-test/${randomBytes(8).toString("hex")}`;
        const { request: sent, answer } = send("PUT", artifact);
        sent.setHeader("content-length", content.length);
        sent.write(content.subarray(0, 512));
        // Until the server has begun to read it.
        await sleep(1000);
        const lines = await linesOf(async () => {
            const stopped = docker("stop", name);
            await sleep(2000);
            sent.end(content.subarray(512));
            expect((await answer).status).toBe(200);
            await stopped;
        }, /Stopping parent process/);
        expect(lines.filter((line) => /Finished server process \[\d+\]$/.test(line))).toHaveLength(2);
        expect(lines.at(-1)).toMatch(/Stopping parent process \[\d+\]$/);
        const { State } = await container(stack, "mlflow");
        expect(State).toMatchObject({ Status: "exited", ExitCode: 0, OOMKilled: false });
        await docker("start", name);
        await healthy(stack);
        expect((await get(artifact)).body).toEqual(content);
    });

    it("go with the one that supervises, and the container starts again", async () => {
        const before = await serverProcesses(stack);
        const restarts = await docker("inspect", "--format", "{{.RestartCount}}", name);
        process.kill(before.supervisor, "SIGKILL");
        while ((await docker("inspect", "--format", "{{.RestartCount}}", name)) === restarts) {
            await sleep(500);
        }
        await healthy(stack);
        const after = await serverProcesses(stack);
        expect(after.workers).toHaveLength(2);
        expect(
            readdirSync("/proc").filter((pid) => [...before.workers, before.supervisor].includes(Number(pid))),
        ).toEqual([]);
        expect((await get(probed)).status).toBe(200);
    });
});

describe("a fork", () => {
    it("is made of a process that is alone, without a warning of Python's", async () => {
        const code = `
from platform_server import supervisor
worker = supervisor.Worker(target=print, args=("serves",))
supervisor.refuse_connections()
worker.start()
worker.join()
print(worker.exitcode)`;
        expect((await python(code, "-W", "error")).split("\n")).toEqual(["serves", "0"]);
    });

    it("is refused beside another thread", async () => {
        const code = `
import threading
from platform_server import supervisor
threading.Thread(target=threading.Event().wait, daemon=True).start()
try:
    supervisor.Worker(target=print).start()
except supervisor.NotAlone as refusal:
    print(refusal)`;
        expect(await python(code)).toMatch(/^the server has 2 threads before it forks: python3?, .+$/);
    });

    it("is refused with an open socket", async () => {
        const code = `
import socket
from platform_server import supervisor
connection = socket.socket()
try:
    supervisor.refuse_connections()
except supervisor.NotAlone as refusal:
    print(refusal)`;
        expect(await python(code)).toMatch(/^the server has sockets before it forks: \d+$/);
    });
});

describe("the probe", () => {
    const line = (address: string, answer: string) =>
        new RegExp(` ${address}:\\d+ - "GET ${probed} HTTP/1\\.[01]" ${answer}`);

    it("that succeeds leaves no line in the log; a client's request does", async () => {
        const lines = await linesOf(
            async () => {
                for (let times = 0; times < 3; times++) {
                    expect(await docker("exec", name, "healthy")).toBe("");
                }
                expect((await get(probed)).status).toBe(200);
            },
            line("[0-9.]+", "200 OK"),
        );
        expect(lines.filter((text) => line("127\\.0\\.0\\.1", "").test(text))).toEqual([]);
        expect(lines.filter((text) => line("[0-9.]+", "200 OK").test(text))).toHaveLength(1);
    });

    it("that fails says why, and leaves one", async () => {
        const probe = (setting: string) =>
            execa("docker", ["exec", "--env", setting, name, "healthy"], { reject: false });
        expect(await probe("MLFLOW_PORT=1")).toMatchObject({ exitCode: 1, stdout: "nothing listens on port 1" });
        let failed: { exitCode?: number; stdout: string } = { stdout: "" };
        const lines = await linesOf(async () => {
            failed = await probe("MLFLOW_STATIC_PREFIX=/elsewhere");
        }, /\/elsewhere/);
        expect(failed).toMatchObject({ exitCode: 1, stdout: "server-info answered 404" });
        expect(lines.filter((text) => text.includes(`127.0.0.1:`) && text.includes("/elsewhere"))).toHaveLength(1);
    });
});
