/** Large artifacts through the server: memory stays flat, a full disk is a clear error, and strange paths lead nowhere. */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { docker } from "../support/engine.ts";
import { basic, plantedValues } from "../support/platforms.ts";

const mebibyte = 2 ** 20;
const directory = mkdtempSync(join(tmpdir(), "transfers-"));
afterAll(() => {
    rmSync(directory, { recursive: true });
});

/** A file of random bytes, and its digest. */
async function file(name: string, size: number): Promise<{ path: string; digest: string }> {
    const path = join(directory, name);
    await execa("sh", ["-c", `head -c ${size} /dev/urandom >'${path}'`]);
    return { path, digest: await digestOf(path) };
}

async function digestOf(path: string): Promise<string> {
    const hash = createHash("sha256");
    await pipeline(createReadStream(path), hash);
    return hash.digest("hex");
}

interface Server {
    readonly uri: string;
    readonly headers: Record<string, string>;
    readonly container: string;
}

/** Sends a file; returns the status and the text. */
function upload({ uri, headers }: Server, artifact: string, path: string): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
        const sent = request(
            new URL(`/api/2.0/mlflow-artifacts/artifacts/${artifact}`, uri),
            { method: "PUT", headers, agent: false },
            (response) => {
                let text = "";
                response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
                response.on("end", () => {
                    resolve({ status: response.statusCode ?? 0, text });
                });
            },
        ).on("error", reject);
        execa("stat", ["--format", "%s", path])
            .then(({ stdout }) => {
                sent.setHeader("content-length", stdout);
                createReadStream(path).pipe(sent);
            })
            .catch(reject);
    });
}

async function download({ uri, headers }: Server, artifact: string, path: string): Promise<number> {
    const response = await fetch(new URL(`/api/2.0/mlflow-artifacts/artifacts/${artifact}`, uri), { headers });
    if (response.body !== null) {
        await pipeline(response.body, createWriteStream(path));
    }
    return response.status;
}

/** MiB of memory that all processes of a container have for themselves: without files that the system keeps in memory. */
async function memory(name: string): Promise<number> {
    // Of control groups version 2 and 1.
    const files = "/sys/fs/cgroup/memory.stat /sys/fs/cgroup/memory/memory.stat";
    const text = await docker("exec", name, "sh", "-c", `cat ${files} 2>/dev/null || true`);
    const [, bytes = "0"] = /^(?:anon|total_rss) (\d+)$/m.exec(text) ?? [];
    return Number(bytes) / mebibyte;
}

/** The most memory that a container had while something went on. */
async function peakDuring(name: string, act: () => Promise<void>): Promise<number> {
    const samples: number[] = [];
    const ended = new AbortController();
    const watch = (async () => {
        while (!ended.signal.aborted) {
            samples.push(await memory(name));
        }
    })();
    await act().finally(() => {
        ended.abort();
    });
    await watch;
    return Math.max(...samples);
}

const leftovers = (name: string) => docker("exec", name, "find", "/var/lib/mlflow/tmp", "-type", "f", "-size", "+0");

const { stack, trackingUri } = inject("generated");
const server: Server = { uri: trackingUri, headers: {}, container: `mlflow-platform-${stack}-mlflow` };

describe("through the server", () => {
    it("2 GiB go up and down in flat memory", async () => {
        const path = join(directory, "large");
        await execa("sh", [
            "-c",
            `head -c 16M /dev/urandom >'${path}.part'; for i in $(seq 128); do cat '${path}.part'; done >'${path}'`,
        ]);
        const back = join(directory, "large.back");
        const before = await memory(server.container);
        expect(before).toBeGreaterThan(100);
        const peak = await peakDuring(server.container, async () => {
            expect((await upload(server, "large/large.bin", path)).status).toBe(200);
            expect(await download(server, "large/large.bin", back)).toBe(200);
        });
        await execa("cmp", [path, back]);
        expect(peak - before).toBeLessThan(300);
        rmSync(path);
        rmSync(back);
        await fetch(new URL("/api/2.0/mlflow-artifacts/artifacts/large/large.bin", trackingUri), { method: "DELETE" });
        expect(await leftovers(server.container)).toBe("");
    });

    it("several at once", async () => {
        const files = await Promise.all([1, 2, 3, 4].map((n) => file(`several-${n}`, 100 * mebibyte)));
        const sent = await Promise.all(files.map(({ path }, n) => upload(server, `several/${n}.bin`, path)));
        expect(sent.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
        await Promise.all(
            files.map(async ({ path, digest }, n) => {
                expect(await download(server, `several/${n}.bin`, `${path}.back`)).toBe(200);
                expect(await digestOf(`${path}.back`)).toBe(digest);
            }),
        );
    });

    it.each([
        "../../../../etc/passwd",
        "a/../../b",
        "%2e%2e/%2e%2e/b",
        "..%2f..%2fb",
        "%2fetc%2fpasswd",
        "a/%00b",
        "..%5c..%5cb",
        "C:%5cb",
        "file:///etc/passwd",
    ])("a path such as %s is refused, for reading and writing", async (path) => {
        for (const method of ["GET", "PUT"]) {
            const status = await raw(server, `${method} /api/2.0/mlflow-artifacts/artifacts/${path}`);
            expect([method, Math.floor(status / 100)]).toEqual([method, 4]);
        }
    });

    it("a 10 MB header gets an error, and slow clients keep nobody waiting", async () => {
        const status = await raw(server, "GET /health", `X-Large: ${"a".repeat(10_000_000)}\r\n`).catch(() => 400);
        expect(Math.floor(status / 100)).toBe(4);
        const { hostname, port } = new URL(trackingUri);
        const slow = Array.from({ length: 100 }, () => {
            const socket = connect(Number(port), hostname, () =>
                socket.write(
                    "PUT /api/2.0/mlflow-artifacts/artifacts/slow HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\nx",
                ),
            );
            return socket.on("error", () => undefined);
        });
        await sleep(1000);
        const answer = await fetch(`${trackingUri}/api/2.0/mlflow/experiments/search?max_results=1`);
        expect(answer.status).toBe(200);
        for (const socket of slow) {
            socket.destroy();
        }
        await expect.poll(() => leftovers(server.container), { timeout: 30_000 }).toBe("");
    });

    it("foreign names and origins are refused; those of this host and of containers are not", async () => {
        const path = "GET /api/2.0/mlflow/experiments/search?max_results=1";
        const { port } = new URL(trackingUri);
        for (const host of ["localhost", "127.0.0.1", "mlflow", `mlflow-platform-${stack}-mlflow`]) {
            expect([host, await raw(server, path, "", host)]).toEqual([host, 200]);
            expect([host, await raw(server, path, "", `${host}:${port}`)]).toEqual([host, 200]);
        }
        expect(await raw(server, path, "", "evil.example.com")).toBe(403);
        expect(await raw(server, "POST /api/2.0/mlflow/runs/create", "Origin: https://evil.example.com\r\n")).toBe(403);
    });
});

/** One request with the path as it is; `fetch` would clean it. Returns the status. */
function raw({ uri }: Server, line: string, headers = "", host = "127.0.0.1"): Promise<number> {
    const { hostname, port } = new URL(uri);
    return new Promise((resolve, reject) => {
        let text = "";
        const socket = connect(Number(port), hostname, () => {
            socket.write(
                `${line} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\nConnection: close\r\n${headers}\r\n`,
            );
        });
        socket
            .setEncoding("utf8")
            .on("data", (chunk: string) => (text += chunk))
            .on("close", () => {
                const status = Number(/^HTTP\/1.1 (\d+)/.exec(text)?.[1] ?? 0);
                if (status === 0) {
                    reject(new Error(`no answer to ${line.slice(0, 100)}`));
                } else {
                    resolve(status);
                }
            })
            .on("error", reject);
    });
}

describe("where artifactTempSize is 300 MiB", () => {
    const planted = inject("planted");
    const value = (key: string) => plantedValues[key]?.value ?? "";
    const small: Server = {
        uri: planted.trackingUri,
        headers: basic(value("adminUsername"), value("adminPassword")),
        container: `mlflow-platform-${planted.stack}-mlflow`,
    };
    const tag = randomBytes(3).toString("hex");
    let fits: { path: string; digest: string };
    beforeAll(async () => {
        fits = await file("fits", 200 * mebibyte);
    });

    it("what is larger is refused at once, by name, and the server lives on", async () => {
        const { path } = await file("too-large", 301 * mebibyte);
        const { status, text } = await upload(small, `${tag}/too-large`, path);
        expect([413, 507]).toContain(status);
        expect(text).toContain("artifactTempSize");
        expect(text).toContain("300 MiB");
        expect((await upload(small, `${tag}/fits`, fits.path)).status).toBe(200);
        expect(await leftovers(small.container)).toBe("");
    });

    it("what fits one after the other comes through, also when sent at once", async () => {
        const names = ["a", "b", "c"].map((name) => `${tag}/${name}`);
        const sent = await Promise.all(names.map((name) => upload(small, name, fits.path)));
        for (const { status, text } of sent) {
            expect([200, 503]).toContain(status);
            expect(status === 200 || text.includes("artifactTempSize")).toBe(true);
        }
        expect(sent.some(({ status }) => status === 200)).toBe(true);
        expect(await leftovers(small.container)).toBe("");
    });
});
