/** The way to a platform whose ports only the engine's host has. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { issueCertificate, makeAuthority } from "../../../components/certificates.ts";
import { parseConfiguration } from "../../../config.ts";
import { forwardCommand, isPlatformHost, reach } from "../../../operations/reach.ts";
import { TrackingApi } from "../../../operations/trackingApi.ts";
import { Commands } from "../support/commands.ts";
import { type Served, serve } from "../support/servers.ts";

const configuration = (values: Record<string, string> = {}) =>
    parseConfiguration({ values: { mlflowAuth: "false", ...values }, secrets: new Set() }).value;

/** An engine whose containers are processes of this host: it has one image, and runs what it is told to, without a container. */
const engine = `#!/bin/sh
echo "$*" >>"$0.calls"
shift 2
case "$1" in
    image) echo mlflow-platform/mlflow:1 ;;
    run)
        while [ "$1" != --entrypoint ]; do shift; done
        program=$2
        shift 3
        exec "$program" "$@" ;;
esac`;

let commands: Commands;
let server: Served;
beforeEach(async () => {
    commands = new Commands();
    const bin = join(commands.directory, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "docker"), engine);
    chmodSync(join(bin, "docker"), 0o755);
    vi.stubEnv("PATH", `${bin}:/usr/bin:/bin`);
    server = await serve(({ method, path, body }) => ({ body: { method, path, body } }));
});
afterEach(async () => {
    vi.unstubAllEnvs();
    await server.close();
    commands.remove();
});

describe("a platform on another host's loopback address", () => {
    it("is asked through the engine, as often as needed, also at once", async () => {
        const outputs = { trackingUri: server.url };
        const answers = await reach(outputs, configuration(), "ssh://ana@desk", async (way, through) => {
            expect(through).toBe(true);
            const api = new TrackingApi(way);
            try {
                const one = await api.json("GET", "/one");
                return [
                    one,
                    ...(await Promise.all(
                        ["/two", "/three"].map((path) => api.json("POST", path, "x".repeat(300_000))),
                    )),
                ];
            } finally {
                await api.close();
            }
        });
        expect(answers).toEqual([
            { method: "GET", path: "/one", body: "" },
            { method: "POST", path: "/two", body: JSON.stringify("x".repeat(300_000)) },
            { method: "POST", path: "/three", body: JSON.stringify("x".repeat(300_000)) },
        ]);
    });

    it("is asked by its public name, with the certificate for that", async () => {
        const authority = await makeAuthority("Somebody", new Date());
        const pair = await issueCertificate(authority, ["ml.example.invalid"], new Date());
        const gateway = await serve(({ path }) => ({ body: { path } }), pair);
        // No DNS knows it, so nothing but the engine's host can be meant.
        const trackingUri = `https://ml.example.invalid:${gateway.port}`;
        const outputs = { trackingUri, caCertificate: authority.certificate };
        const ask = (host: string) =>
            reach(outputs, configuration({ publicHost: "ml.example.invalid" }), "ssh://ana@desk", async (way) => {
                const api = new TrackingApi({ ...way, trackingUri: `https://${host}:${gateway.port}` });
                try {
                    return await api.json("GET", "/one");
                } finally {
                    await api.close();
                }
            });
        try {
            expect(await ask("ml.example.invalid")).toEqual({ path: "/one" });
            // By another of its names it is not what the certificate is for.
            await expect(ask("127.0.0.1")).rejects.toThrow(/altnames/);
        } finally {
            await gateway.close();
        }
    });

    it("that does not answer is said so, in the container's words", async () => {
        const free = createServer().listen(0, "127.0.0.1");
        await once(free, "listening");
        const { port } = free.address() as { port: number };
        free.close();
        await once(free, "close");
        const outputs = { trackingUri: `http://127.0.0.1:${port}` };
        await expect(
            reach(outputs, configuration(), "ssh://ana@desk", async (way) => {
                const api = new TrackingApi(way);
                try {
                    return await api.json("GET", "/");
                } finally {
                    await api.close();
                }
            }),
        ).rejects.toThrow(/Connection refused/);
    });

    it("is not asked through the engine where the engine is here", async () => {
        const outputs = { trackingUri: server.url };
        await reach(outputs, configuration(), "unix:///var/run/docker.sock", (way, through) => {
            expect([way.tunnel, through]).toEqual([undefined, false]);
            return Promise.resolve();
        });
    });
});

describe("a platform on an address that can be reached", () => {
    it("is asked there", async () => {
        const open = configuration({ bindAddress: "192.0.2.7", allowInsecureExposure: "true" });
        await reach({ trackingUri: server.url }, open, "ssh://ana@desk", (_way, through) => {
            expect(through).toBe(false);
            return Promise.resolve();
        });
    });
});

describe("a host of a URL", () => {
    const open = configuration({ bindAddress: "192.0.2.7", allowInsecureExposure: "true" });
    it.each([
        ["127.0.0.1", configuration(), true],
        ["192.0.2.7", open, true],
        ["ml.example.com", { ...open, publicHost: "ml.example.com" }, true],
        ["s3.example.com", { ...open, publicHost: "ml.example.com" }, false],
    ])("%s is the platform's: %#", (host, some, own) => {
        expect(isPlatformHost(host, some)).toBe(own);
    });
});

describe("the command that forwards ports", () => {
    it.each([
        ["ssh://ana@desk", "127.0.0.1", "ssh -N -L 5000:127.0.0.1:5000 -L 9000:127.0.0.1:9000 ana@desk"],
        ["ssh://ana@desk:2222", "127.0.0.1", "ssh -N -L 5000:127.0.0.1:5000 -L 9000:127.0.0.1:9000 -p 2222 ana@desk"],
        [
            "ssh://desk",
            "127.0.0.2",
            "ssh -N -L 127.0.0.2:5000:127.0.0.2:5000 -L 127.0.0.2:9000:127.0.0.2:9000 <user>@desk",
        ],
        ["tcp://10.0.0.5:2376", "127.0.0.1", "ssh -N -L 5000:127.0.0.1:5000 -L 9000:127.0.0.1:9000 <user>@10.0.0.5"],
        [
            "unix:///var/run/docker.sock",
            "127.0.0.1",
            "ssh -N -L 5000:127.0.0.1:5000 -L 9000:127.0.0.1:9000 <user>@<engine's host>",
        ],
    ])("to %s and %s is %s", (host, address, command) => {
        expect(forwardCommand(host, address, [5000, 9000])).toBe(command);
    });
});
