/** What the gateway is told, as Caddy reads it. That Caddy does what it says is for the tests with containers. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
    type CertificatePolicy,
    type GatewayConfigurationArgs,
    type Site,
    gatewayConfiguration,
    tokenFile,
} from "../../components/gatewayConfiguration.ts";

/** The parts of Caddy's configuration that are looked at. */
interface Route {
    match?: {
        host?: string[];
        path?: string[];
        not?: { host?: string[]; path?: string[]; header?: Record<string, string[]> }[];
    }[];
    handle: Record<string, unknown>[];
    terminal?: boolean;
}
interface Server {
    listen: string[];
    protocols: string[];
    listener_wrappers?: { wrapper: string }[];
    tls_connection_policies?: Record<string, unknown>[];
    automatic_https: unknown;
    routes: Route[];
    errors?: { routes: Route[] };
}
interface Configuration {
    admin: unknown;
    apps: {
        http: { http_port: number; https_port: number; servers: Record<string, Server | undefined> };
        tls: { certificates: Record<string, unknown>; automation?: { policies: unknown[] } };
        pki?: unknown;
    };
}

const tracking: Site = { name: "tracking", port: 5000, upstream: "http://mlflow:5000" };
const s3: Site = { name: "s3", port: 9000, upstream: "https://minio:9000" };
const console: Site = { name: "console", port: 9001, upstream: "http://minio:9001" };
const iris: Site = { name: "model-iris", port: 5100, upstream: "http://model-iris:8080" };
const args: GatewayConfigurationArgs = {
    publicHost: "ml.example.com",
    otherHosts: ["localhost", "127.0.0.1"],
    sites: [tracking, s3, console],
    policy: { kind: "given" },
};

function configuration(more: Partial<GatewayConfigurationArgs> = {}): Configuration {
    return JSON.parse(JSON.stringify(gatewayConfiguration({ ...args, ...more }))) as Configuration;
}

function server(name: string, more?: Partial<GatewayConfigurationArgs>): Server {
    const found = configuration(more).apps.http.servers[name];
    if (found === undefined) {
        throw new Error(`no server ${name}`);
    }
    return found;
}

function handler(some: Server, name: string): Record<string, unknown> | undefined {
    return some.routes.flatMap(({ handle }) => handle).find((each) => each.handler === name);
}

const files = "/run/secrets/platform";

describe("certificates", () => {
    it.each<[string, CertificatePolicy, object]>([
        [
            "given ones are files, and nothing is asked for",
            { kind: "given" },
            {
                disable_ocsp_stapling: true,
                certificates: {
                    load_files: [{ certificate: `${files}/tls_certificate`, key: `${files}/tls_private_key` }],
                },
            },
        ],
        [
            "an authority of one's own makes one for every name",
            { kind: "internal" },
            {
                disable_ocsp_stapling: true,
                certificates: { automate: ["ml.example.com", "localhost", "127.0.0.1"] },
                automation: {
                    policies: [
                        {
                            subjects: ["ml.example.com", "localhost", "127.0.0.1"],
                            issuers: [{ module: "internal", lifetime: "168h" }],
                        },
                    ],
                },
            },
        ],
        [
            "ACME makes one for the public name, of Let's Encrypt if nothing is said",
            { kind: "acme", email: "ops@example.com" },
            {
                disable_ocsp_stapling: true,
                certificates: { automate: ["ml.example.com"] },
                automation: {
                    policies: [
                        {
                            subjects: ["ml.example.com"],
                            issuers: [
                                {
                                    module: "acme",
                                    email: "ops@example.com",
                                    challenges: { http: { disabled: true }, "tls-alpn": { disabled: false } },
                                },
                            ],
                        },
                    ],
                },
            },
        ],
        [
            "ACME of a private authority",
            { kind: "acme", email: "a@b.c", directory: "https://ca.example.com/directory", privateRoots: true },
            {
                disable_ocsp_stapling: true,
                certificates: { automate: ["ml.example.com"] },
                automation: {
                    policies: [
                        {
                            subjects: ["ml.example.com"],
                            issuers: [
                                {
                                    module: "acme",
                                    email: "a@b.c",
                                    ca: "https://ca.example.com/directory",
                                    trusted_roots_pem_files: [`${files}/acme_ca`],
                                    challenges: { http: { disabled: true }, "tls-alpn": { disabled: false } },
                                },
                            ],
                        },
                    ],
                },
            },
        ],
    ])("%s", (_words, policy, expected) => {
        expect(configuration({ policy }).apps.tls).toEqual(expected);
    });

    it("the authority's root is a file, and there is one only where it signs", () => {
        expect(configuration().apps.pki).toBeUndefined();
        expect(configuration({ policy: { kind: "internal" } }).apps.pki).toMatchObject({
            certificate_authorities: {
                local: {
                    install_trust: false,
                    root: { certificate: `${files}/ca_certificate`, private_key: `${files}/ca_private_key` },
                },
            },
        });
    });

    it.each<[string, Partial<GatewayConfigurationArgs>, boolean, boolean]>([
        ["no plain HTTP", {}, false, true],
        ["plain HTTP", { httpPort: 80 }, true, false],
        ["plain HTTP, and a site on 443", { httpPort: 80, sites: [{ ...tracking, port: 443 }] }, true, true],
    ])("ACME's challenges with %s", (_words, more, http, alpn) => {
        const { tls } = configuration({ ...more, policy: { kind: "acme", email: "a@b.c" } }).apps;
        expect(tls.automation?.policies).toMatchObject([
            { issuers: [{ challenges: { http: { disabled: !http }, "tls-alpn": { disabled: !alpn } } }] },
        ]);
    });
});

describe("a site", () => {
    it.each([tracking, s3, console])("$name speaks TLS on its own port, and sends plain HTTP there", (site) => {
        const some = server(site.name);
        expect(some.listen).toEqual([`:${site.port}`]);
        expect(some.protocols).toEqual(["h1", "h2"]);
        expect(some.listener_wrappers?.map(({ wrapper }) => wrapper)).toEqual(["http_redirect", "tls"]);
        expect(some.tls_connection_policies).toEqual([
            {
                alpn: ["h2", "http/1.1"],
                protocol_min: "tls1.2",
                default_sni: "ml.example.com",
                fallback_sni: "ml.example.com",
            },
        ]);
        expect(some.automatic_https).toEqual({ disable: true });
    });

    it.each<[string, Site, boolean, string, unknown]>([
        ["http", tracking, false, "mlflow:5000", undefined],
        ["http without a port", { ...tracking, upstream: "http://mlflow" }, false, "mlflow:80", undefined],
        ["https", s3, false, "minio:9000", {}],
        ["https without a port", { ...s3, upstream: "https://s3.example.com" }, false, "s3.example.com:443", {}],
        [
            "https of another authority",
            s3,
            true,
            "minio:9000",
            { ca: { provider: "file", pem_files: [`${files}/s3_ca`] } },
        ],
        ["http beside another authority", tracking, true, "mlflow:5000", undefined],
    ])("reaches an upstream by %s", (_words, site, upstreamAuthorities, dial, tls) => {
        const proxy = handler(server(site.name, { sites: [site], upstreamAuthorities }), "reverse_proxy");
        expect(proxy).toMatchObject({
            upstreams: [{ dial }],
            headers: { request: { set: { Host: ["{http.request.hostport}"] } } },
        });
        expect((proxy?.transport as { tls?: unknown }).tls).toEqual(tls);
    });

    it("makes cookies Secure where the upstream does not know that there is TLS, and undoes MinIO's word on subdomains", () => {
        const response = { delete: ["Strict-Transport-Security"] };
        expect(handler(server("console"), "reverse_proxy")).toMatchObject({
            headers: {
                response: { ...response, replace: { "Set-Cookie": [{ search_regexp: "$", replace: "; Secure" }] } },
            },
        });
        expect((handler(server("s3"), "reverse_proxy")?.headers as { response: object }).response).toEqual(response);
    });

    it("puts no end to a body, and one to silence", () => {
        expect(server("s3")).toMatchObject({
            read_header_timeout: "15s",
            read_idle_timeout: "2m",
            write_idle_timeout: "2m",
            idle_timeout: "3m",
            max_header_bytes: 65536,
        });
        expect(server("s3")).not.toHaveProperty("read_timeout");
        expect(server("s3")).not.toHaveProperty("write_timeout");
    });

    it.each([
        ["ml.example.com", true],
        ["intranet", true],
        ["localhost", false],
        ["ml.localhost", false],
        ["192.0.2.1", false],
    ])("of %s tells browsers to stay with TLS: %s", (publicHost, expected) => {
        for (const site of args.sites) {
            const routes = server(site.name, { publicHost }).routes.filter((route) =>
                JSON.stringify(route.handle).includes("max-age"),
            );
            expect(routes.map(({ match }) => match)).toEqual(expected ? [[{ host: [publicHost] }]] : []);
        }
    });

    it("lets notebooks show MLflow's traces, and no other frame", () => {
        const framed = (name: string) =>
            server(name).routes.filter(({ handle }) => JSON.stringify(handle).includes("SAMEORIGIN"));
        const traces = "/static-files/lib/notebook-trace-renderer/*";
        expect(framed("tracking").map(({ match }) => match)).toEqual([[{ not: [{ path: [traces] }] }]]);
        expect(framed("console").map(({ match }) => match)).toEqual([undefined]);
        expect(framed("s3")).toEqual([]);
    });
});

describe("a model server's site", () => {
    const withModels: Partial<GatewayConfigurationArgs> = {
        sites: [
            tracking,
            s3,
            console,
            iris,
            { name: "model-wine-2", port: 5101, upstream: "http://model-wine-2:8080" },
        ],
    };
    const tokenRoute = (name: string) =>
        server(name, withModels).routes.filter(({ handle }) => handle.some((one) => one.status_code === 401));

    it("answers those alone who have its token, which is in a file and not in here", () => {
        for (const name of ["model-iris", "model-wine-2"]) {
            const token = `{file.${files}/${name}-token}`;
            expect(tokenRoute(name)).toEqual([
                {
                    match: [{ not: [{ header: { Authorization: [`Bearer ${token}`, `bearer ${token}`] } }] }],
                    handle: [
                        {
                            handler: "headers",
                            response: { set: { "WWW-Authenticate": [`Bearer realm="${name}"`] } },
                        },
                        {
                            handler: "static_response",
                            status_code: 401,
                            headers: { "Content-Type": ["text/plain; charset=utf-8"] },
                            body: "This model wants its bearer token: Authorization: Bearer <token>.\n",
                        },
                    ],
                    terminal: true,
                },
            ]);
        }
    });

    it("asks for it after it has refused foreign names, and before anything is passed on, on every path", () => {
        const { routes } = server("model-iris", withModels);
        const at = (holds: (handler: Record<string, unknown>) => boolean) =>
            routes.findIndex(({ handle }) => handle.some(holds));
        const [foreign, refuses, passes] = [
            at((one) => one.status_code === 403),
            at((one) => one.status_code === 401),
            at((one) => one.handler === "reverse_proxy"),
        ];
        expect([foreign, refuses, passes]).toEqual([routes.length - 3, routes.length - 2, routes.length - 1]);
        expect(routes[passes]?.match).toBeUndefined();
    });

    it("has its file named after it", () => {
        expect(tokenFile("model-iris")).toBe("model-iris-token");
    });

    it.each(["tracking", "s3", "console"])("is the only kind with a token: %s has none", (name) => {
        expect(tokenRoute(name)).toEqual([]);
        expect(server(name, withModels)).toEqual(server(name));
    });

    it("gives the model no token, and an MLflow, store or console its own login", () => {
        const deleted = (name: string) =>
            (handler(server(name, withModels), "reverse_proxy")?.headers as { request: { delete: string[] } }).request
                .delete;
        expect(deleted("model-iris")).toEqual([...deleted("tracking"), "Authorization"]);
        for (const name of ["tracking", "s3", "console"]) {
            expect(deleted(name)).not.toContain("Authorization");
        }
    });

    it("is otherwise as the console's: by TLS on its own port, to its own upstream", () => {
        const [model, other] = [server("model-iris", withModels), server("console", withModels)];
        expect(model.listen).toEqual([":5100"]);
        expect(handler(model, "reverse_proxy")).toMatchObject({ upstreams: [{ dial: "model-iris:8080" }] });
        expect(Object.keys(model)).toEqual(Object.keys(other));
        expect(model.tls_connection_policies).toEqual(other.tls_connection_policies);
        expect(
            model.routes.filter(({ handle }) => ["headers"].includes(String(handle[0]?.handler))).slice(0, 3),
        ).toEqual(other.routes.filter(({ handle }) => ["headers"].includes(String(handle[0]?.handler))));
        expect(configuration(withModels).apps.http.servers).toHaveProperty("model-wine-2");
    });
});

describe("what does not answer", () => {
    it.each<[Site["name"], string]>([
        ["tracking", "MLflow's tracking server"],
        ["s3", "The artifact store"],
        ["console", "The artifact store's console"],
        ["model-iris", "The model server iris"],
        ["model-my-model-2", "The model server my-model-2"],
    ])("is named to the reader of an error: %s", (name, title) => {
        const some = server(name, { sites: [{ name, port: 5000, upstream: "http://upstream:1" }] });
        expect(some.errors?.routes.at(-1)).toEqual({
            match: [{ expression: "{http.error.status_code} in [502, 503, 504]" }],
            handle: [
                {
                    handler: "static_response",
                    status_code: "{http.error.status_code}",
                    headers: { "Content-Type": ["text/plain; charset=utf-8"] },
                    body: `${title} does not answer.\n`,
                },
            ],
        });
    });
});

describe("plain HTTP", () => {
    it.each<[string, Partial<GatewayConfigurationArgs>, string]>([
        ["with its port", {}, "https://ml.example.com:5000{http.request.uri}"],
        ["without 443", { sites: [{ ...tracking, port: 443 }] }, "https://ml.example.com{http.request.uri}"],
        ["by address", { publicHost: "192.0.2.1" }, "https://192.0.2.1:5000{http.request.uri}"],
    ])("is sent to the tracking site %s", (_words, more, location) => {
        const some = server("http", { ...more, httpPort: 8080 });
        expect(some.listen).toEqual([":8080"]);
        expect(some.tls_connection_policies).toBeUndefined();
        expect(handler(some, "static_response")).toEqual({
            handler: "static_response",
            status_code: 308,
            headers: { Location: [location] },
        });
    });

    it("is not there unless it is asked for, and its port is no site's", () => {
        const { http } = configuration({ sites: [{ ...tracking, port: 80 }] }).apps;
        expect(http.servers.http).toBeUndefined();
        expect(http.http_port).not.toBe(80);
    });
});

describe("every configuration", () => {
    const label = fc.stringMatching(/^[a-z][a-z0-9]{0,9}$/);
    const host = fc.oneof(
        fc.ipV4(),
        fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join(".")),
    );
    const port = fc.integer({ min: 2, max: 65535 });
    const policy = fc.constantFrom<CertificatePolicy>(
        { kind: "given" },
        { kind: "internal" },
        { kind: "acme", email: "a@b.c" },
        { kind: "acme", email: "a@b.c", directory: "https://ca/d", privateRoots: true },
    );
    const some: fc.Arbitrary<GatewayConfigurationArgs> = fc.record({
        publicHost: host,
        otherHosts: fc.array(host, { maxLength: 4 }),
        sites: fc
            .uniqueArray(port, { minLength: 4, maxLength: 4 })
            .map((ports) => [tracking, s3, console, iris].map((site, i) => ({ ...site, port: ports[i] ?? 0 }))),
        httpPort: fc.option(fc.constant(1), { nil: undefined }),
        policy,
        upstreamAuthorities: fc.boolean(),
    });

    it("refuses foreign hosts on every site before anything is passed on", () => {
        fc.assert(
            fc.property(some, (each) => {
                for (const site of each.sites) {
                    const { routes } = server(site.name, each);
                    const passes = routes.findIndex(({ handle }) => handle[0]?.handler === "reverse_proxy");
                    const refuses = routes.findIndex(({ handle }) => handle[0]?.status_code === 403);
                    expect(routes[refuses]).toMatchObject({
                        match: [{ not: [{ host: [...new Set([each.publicHost, ...each.otherHosts])] }] }],
                        terminal: true,
                    });
                    expect(refuses).toBeLessThan(passes);
                    expect(passes).toBe(routes.length - 1);
                }
            }),
        );
    });

    it("redirects to the public host whatever name was asked for", () => {
        fc.assert(
            fc.property(some, (each) => {
                const redirects = JSON.stringify(configuration(each)).match(/"Location":\["[^"]*"\]/g) ?? [];
                expect(redirects).toHaveLength(each.httpPort === undefined ? 0 : 1);
                for (const redirect of redirects) {
                    expect(redirect.startsWith(`"Location":["https://${each.publicHost}`)).toBe(true);
                    expect(redirect).not.toMatch(/\{http\.request\.host/);
                }
            }),
        );
    });

    it("opens only its ports, has no administration, and no key in it", () => {
        fc.assert(
            fc.property(some, (each) => {
                const made = configuration(each);
                const ports = [...each.sites.map((site) => site.port), ...(each.httpPort === undefined ? [] : [1])];
                expect(Object.values(made.apps.http.servers).flatMap((one) => one?.listen)).toEqual(
                    ports.map((one) => `:${one}`),
                );
                expect(made.admin).toEqual({ disabled: true, config: { persist: false } });
                expect(JSON.stringify(made)).not.toMatch(/BEGIN|account_key|"password/);
            }),
        );
    });
});
