/** How the operations reach MLflow: whom they trust, where they find it, and to whom they show a login. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type KeyPair, issueCertificate, makeAuthority } from "../../../components/certificates.ts";
import type { Configuration } from "../../../config.ts";
import { AnswerError, TrackingApi, type Way, wayIn } from "../../../operations/trackingApi.ts";
import { play, realFiles } from "../support/builtin.ts";
import { authorities } from "../support/certificates.ts";
import { Commands } from "../support/commands.ts";
import { type Answer, type Asked, type Served, basic, serve } from "../support/servers.ts";

const served: Served[] = [];
const apis: TrackingApi[] = [];
afterEach(async () => {
    await Promise.all(apis.splice(0).map((api) => api.close()));
    await Promise.all(served.splice(0).map(({ close }) => close()));
    vi.unstubAllEnvs();
});
async function start(answer: (request: Asked) => Answer = () => ({}), pair?: KeyPair): Promise<Served> {
    const server = await serve(answer, pair);
    served.push(server);
    return server;
}
function apiOf(way: Way): TrackingApi {
    const api = new TrackingApi(way);
    apis.push(api);
    return api;
}
const login = { username: "ädmin", password: "p:w d€" };

describe("a request", () => {
    it.each<[string, unknown, Partial<Asked>]>([
        ["nothing", undefined, { body: "", contentType: undefined }],
        ["an object, as JSON", { name: "ü" }, { body: '{"name":"ü"}', contentType: "application/json" }],
        [
            "bytes, as they are",
            new TextEncoder().encode('{"ü"'),
            { body: '{"ü"', contentType: "application/octet-stream" },
        ],
    ])("has %s for its body", async (_words, body, expected) => {
        const server = await start();
        await apiOf({ trackingUri: server.url }).request("PUT", "/a/b?c=d", body);
        expect(server.asked).toEqual([expect.objectContaining({ method: "PUT", path: "/a/b?c=d", ...expected })]);
    });

    it("shows the login where there is one, in any letters, and none where there is none", async () => {
        const server = await start();
        await apiOf({ trackingUri: server.url, login }).request("GET", "/");
        await apiOf({ trackingUri: server.url }).request("GET", "/");
        expect(server.asked.map(({ authorization }) => authorization)).toEqual([basic("ädmin", "p:w d€"), undefined]);
    });

    it("shows it to the tracking server alone: neither to another port nor where that sends it", async () => {
        const store = await start(() => ({ body: "content" }));
        const server = await start(() => ({ status: 307, headers: { location: `${store.url}/elsewhere` } }));
        const api = apiOf({ trackingUri: server.url, login });
        expect(await (await api.request("GET", `${store.url}/signed?X-Amz-Signature=s`)).text()).toBe("content");
        expect(await (await api.request("GET", "/here")).text()).toBe("content");
        expect(server.asked.map(({ authorization }) => authorization)).toEqual([basic("ädmin", "p:w d€")]);
        expect(store.asked.map(({ path, authorization }) => [path, authorization])).toEqual([
            ["/signed?X-Amz-Signature=s", undefined],
            ["/elsewhere", undefined],
        ]);
    });

    it("is answered by JSON", async () => {
        const server = await start(() => ({ body: { users: [1] } }));
        expect(await apiOf({ trackingUri: server.url }).json("GET", "/")).toEqual({ users: [1] });
    });

    it("ends in an error that says what was asked, without the query, and begins as the answer does", async () => {
        const server = await start(({ path }) => ({
            status: path.startsWith("/long") ? 500 : 404,
            body: "x".repeat(501),
        }));
        const api = apiOf({ trackingUri: server.url });
        const error: unknown = await api.request("GET", "/a/b?secret=1").catch((some: unknown) => some);
        expect(error).toBeInstanceOf(AnswerError);
        expect((error as AnswerError).status).toBe(404);
        expect((error as AnswerError).message).toBe(`GET /a/b answered 404: ${"x".repeat(500)}`);
        await expect(api.json("DELETE", `${server.url}/long?secret=1`)).rejects.toThrow(
            `DELETE /long answered 500: ${"x".repeat(500)}`,
        );
        // Any answer is one for who asks so.
        expect((await api.ask("GET", "/a")).status).toBe(404);
    });

    it("that nobody answers ends in an error that says why, not that it failed", async () => {
        const server = await start();
        await server.close();
        const error = (await apiOf({ trackingUri: server.url, login })
            .request("GET", "/")
            .catch((some: unknown) => some)) as Error;
        expect(error.message).toBe(`connect ECONNREFUSED 127.0.0.1:${server.port}`);
        expect(error).not.toBeInstanceOf(AnswerError);
    });

    it("is none after the end", async () => {
        const server = await start();
        const api = new TrackingApi({ trackingUri: server.url });
        await api.close();
        await expect(api.request("GET", "/")).rejects.toThrow();
        expect(server.asked).toEqual([]);
    });
});

describe("a server by TLS", () => {
    let authority: KeyPair;
    let pair: KeyPair;
    let commands: Commands;
    beforeEach(async () => {
        commands = new Commands();
        authority = await makeAuthority("Somebody", new Date());
        pair = await issueCertificate(authority, ["ml.example.com", "localhost"], new Date());
    });
    afterEach(() => {
        commands.remove();
    });
    const at = (host: string, { port }: Served) => `https://${host}:${port}`;
    /** Code of what fetch has for its cause, which is also what is said. */
    const causeOf = async (asked: Promise<unknown>) => {
        const error = (await asked.then(
            () => undefined,
            (some: unknown) => some,
        )) as (Error & { cause?: Error & { cause?: Error & { code?: string } } }) | undefined;
        expect(error?.cause?.message).toBe("fetch failed");
        expect(error?.message).toBe(error?.cause?.cause?.message);
        return error?.cause?.cause?.code;
    };

    it("is trusted by the authority that is named, and only by that", async () => {
        const server = await start(undefined, pair);
        const trackingUri = at("localhost", server);
        await apiOf({ trackingUri, authorities: [authority.certificate] }).request("GET", "/");
        await apiOf({ trackingUri, authorities: [authorities.one, authority.certificate] }).request("GET", "/");
        // One of them may be of several.
        await apiOf({ trackingUri, authorities: [authorities.one + authority.certificate] }).request("GET", "/");
        expect(server.asked).toHaveLength(3);
        for (const untrusted of [undefined, [], [authorities.one]]) {
            const api = apiOf({ trackingUri, authorities: untrusted, login });
            expect(await causeOf(api.request("GET", "/"))).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
        }
        expect(server.asked).toHaveLength(3);
    });

    it("is trusted by what this host trusts", async () => {
        const file = join(commands.directory, "bundle.pem");
        writeFileSync(file, authorities.one + authority.certificate);
        vi.stubEnv("SSL_CERT_FILE", file);
        const server = await start(undefined, pair);
        await apiOf({ trackingUri: at("localhost", server) }).request("GET", "/");
        await apiOf({ trackingUri: at("localhost", server), authorities: [authorities.two] }).request("GET", "/");
        expect(server.asked).toHaveLength(2);
    });

    it("is refused under another name than its certificate's", async () => {
        const server = await start(undefined, pair);
        const api = apiOf({ trackingUri: at("127.0.0.1", server), authorities: [authority.certificate] });
        expect(await causeOf(api.request("GET", "/"))).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
    });

    it("is found at the address that is given for its name, which nobody is asked for; others are looked up", async () => {
        const server = await start(undefined, pair);
        const api = apiOf({
            trackingUri: at("ml.example.com", server),
            authorities: [authority.certificate],
            address: { host: "ml.example.com", ip: "127.0.0.1" },
        });
        await api.request("GET", "/");
        await api.request("GET", `${at("localhost", server)}/other`);
        expect(server.asked.map(({ host, path }) => [host, path])).toEqual([
            [`ml.example.com:${server.port}`, "/"],
            [`localhost:${server.port}`, "/other"],
        ]);
        expect(await causeOf(api.request("GET", `${at("there-is-none.invalid", server)}/`))).toMatch(
            /^(ENOTFOUND|EAI_AGAIN)$/,
        );
    });
});

describe("the way into a stack", () => {
    beforeEach(() => {
        play({ file: false, mounts: [] });
    });
    afterEach(() => {
        realFiles();
    });
    const outputs = {
        trackingUri: "https://ml.example.com",
        adminUsername: "chief",
        adminPassword: "word",
        caCertificate: authorities.one,
    };
    const configuration = {
        publicHost: undefined,
        bindAddress: "127.0.0.1",
        mlflowAuth: true,
        tlsAcmeCaFile: undefined,
        minioCaFile: undefined,
    } as unknown as Configuration;
    const administrator = { username: "chief", password: "word" };
    const here = "unix:///var/run/docker.sock";
    const name = { publicHost: "ml.example.com" };

    it.each<[string, object, Partial<Configuration>, string | undefined, Partial<Way>]>([
        ["login and an authority", outputs, {}, here, {}],
        ["no login", outputs, { mlflowAuth: false }, here, { login: undefined }],
        ["no authority", { ...outputs, caCertificate: undefined }, {}, here, { authorities: [] }],
        [
            "an ACME authority with a certificate of its own",
            { ...outputs, caCertificate: undefined },
            { tlsAcmeCaFile: authorities.two },
            here,
            { authorities: [authorities.two] },
        ],
        [
            "a store of somebody else's, whose authority is given",
            outputs,
            { minioCaFile: authorities.two },
            here,
            { authorities: [authorities.one, authorities.two] },
        ],
        [
            "all of them",
            outputs,
            { tlsAcmeCaFile: "ACME", minioCaFile: authorities.two },
            here,
            { authorities: [authorities.one, "ACME", authorities.two] },
        ],
        ["a gateway on this host", outputs, name, here, { address: { host: "ml.example.com", ip: "127.0.0.1" } }],
        [
            "a gateway of the default engine",
            outputs,
            name,
            undefined,
            { address: { host: "ml.example.com", ip: "127.0.0.1" } },
        ],
        [
            "a gateway on one of its addresses",
            outputs,
            { ...name, bindAddress: "192.168.1.10" },
            here,
            { address: { host: "ml.example.com", ip: "192.168.1.10" } },
        ],
        [
            "a gateway on all of them",
            outputs,
            { ...name, bindAddress: "0.0.0.0" },
            here,
            { address: { host: "ml.example.com", ip: "127.0.0.1" } },
        ],
        ["a gateway on another host, whose name DNS has", outputs, name, "ssh://ana@desk", { address: undefined }],
    ])("is, with %s, this", (_words, some, more, engine, different) => {
        expect(wayIn(some as Record<string, unknown>, { ...configuration, ...more }, engine)).toEqual({
            trackingUri: "https://ml.example.com",
            login: administrator,
            authorities: [authorities.one],
            address: undefined,
            ...different,
        });
    });
});
