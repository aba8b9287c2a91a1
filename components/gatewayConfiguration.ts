/** What the gateway is told: which names and ports it answers, with which certificates, and what is behind them. Pure. */
import { isIP } from "node:net";

/** A port of the gateway, and what is behind it. */
export interface Site {
    /** Which one. Each appears once at most; `tracking` has to be there with `httpPort`. A model's begins with `model-`. */
    readonly name: "tracking" | "s3" | "console" | `model-${string}`;
    /** Port, the same in the container and published: signatures and redirects name it. */
    readonly port: number;
    /** Where requests go: http:// or https://, host and port. */
    readonly upstream: string;
}

/** Where certificates come from. */
export type CertificatePolicy =
    /** Files `tls_certificate` (with its intermediates) and `tls_private_key`. */
    | { readonly kind: "given" }
    /**
     * An authority of one's own, files `ca_certificate` and `ca_private_key`. With another root all is issued anew, because
     * images/gateway/start keeps what was issued under each apart. The root has to be valid for more than 30 days.
     */
    | { readonly kind: "internal" }
    /** An ACME authority. */
    | {
          readonly kind: "acme";
          /** Whom the authority may write to. */
          readonly email: string;
          /** Its directory's URL. Defaults to Let's Encrypt. */
          readonly directory?: string | undefined;
          /** Its own certificate is checked against the file `acme_ca` alone. Defaults to false. */
          readonly privateRoots?: boolean | undefined;
      };

/** Arguments of `gatewayConfiguration`. */
export interface GatewayConfigurationArgs {
    /** DNS name, in lower case, or IPv4 address by which clients call the gateway. */
    readonly publicHost: string;
    /** Other names and addresses that are answered; only with `internal` they have a certificate. */
    readonly otherHosts: readonly string[];
    /** What it serves. */
    readonly sites: readonly Site[];
    /** Port of plain HTTP: redirects to the tracking site, and answers ACME's HTTP-01. Defaults to none. */
    readonly httpPort?: number | undefined;
    /** Where certificates come from. */
    readonly policy: CertificatePolicy;
    /** Upstreams of https are checked against the file `s3_ca` alone. Defaults to false: public authorities. */
    readonly upstreamAuthorities?: boolean | undefined;
}

/** Where the gateway finds its files. */
const secrets = "/run/secrets/platform";

/** For a reader of an error. */
function title(name: Site["name"]): string {
    switch (name) {
        case "tracking":
            return "MLflow's tracking server";
        case "s3":
            return "The artifact store";
        case "console":
            return "The artifact store's console";
        default:
            return `The model server ${name.slice("model-".length)}`;
    }
}

/** Name of the file with the bearer token that a model's callers need. */
export function tokenFile(name: `model-${string}`): string {
    return `${name}-token`;
}

function isModel(name: Site["name"]): name is `model-${string}` {
    return name.startsWith("model-");
}

/** 64 KiB, as much as MLflow's server takes (h11 in uvicorn). */
const headerBytes = 65536;

/** What a signed URL, in the query, and a request, in its headers, carry that others could use. */
const secretParameters = "X-Amz-Signature|X-Amz-Credential|X-Amz-Security-Token|Signature|AWSAccessKeyId";
const secretHeaders = [
    "X-Amz-Security-Token",
    "X-Amz-Server-Side-Encryption-Customer-Key",
    "X-Amz-Copy-Source-Server-Side-Encryption-Customer-Key",
];

/** What a client could make an upstream believe; Caddy itself sets X-Forwarded-For, -Proto and -Host. */
const forgeable = [
    "Forwarded",
    "X-Real-Ip",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
];

/** What MLflow shows inside notebooks, in frames of another origin (TRACE_RENDERER_ASSET_PATH). */
const notebookFrames = "/static-files/lib/notebook-trace-renderer/*";

/** Caddy's configuration, as an object for JSON. There is no credential in it. */
export function gatewayConfiguration(args: GatewayConfigurationArgs): object {
    const { publicHost, sites, httpPort, policy } = args;
    const hosts = [...new Set([publicHost, ...args.otherHosts].map((host) => host.toLowerCase()))];
    return {
        admin: { disabled: true, config: { persist: false } },
        logging: { logs: { default: { writer: { output: "stdout" }, encoder: logEncoder } } },
        apps: {
            http: {
                // No site speaks TLS on the port that Caddy takes for plain HTTP, 80 if nothing is said.
                http_port: httpPort ?? 1,
                https_port: challengePort(sites),
                grace_period: "25s",
                servers: {
                    ...Object.fromEntries(sites.map((site) => [site.name, siteServer(site, hosts, args)])),
                    ...(httpPort === undefined ? {} : { http: redirectServer(publicHost, httpPort, sites) }),
                },
            },
            tls: { disable_ocsp_stapling: true, ...certificates(args, hosts) },
            ...(policy.kind === "internal" ? { pki: authority } : {}),
        },
    };
}

const logEncoder = {
    format: "filter",
    wrap: { format: "json" },
    fields: {
        "request>uri": redacted(`(?i)([?&](?:${secretParameters})=)[^&#]*`),
        "request>headers>Referer": redacted(`(?i)([?&](?:${secretParameters})=)[^&#]*`),
        ...Object.fromEntries(
            secretHeaders.map((name) => [`request>headers>${name}`, { filter: "replace", value: "REDACTED" }]),
        ),
        // Redirects to signed URLs among them.
        resp_headers: { filter: "delete" },
    },
};

function redacted(regexp: string): object {
    return { filter: "regexp", regexp, value: "${1}REDACTED" };
}

function siteServer(site: Site, hosts: readonly string[], args: GatewayConfigurationArgs): object {
    const { publicHost } = args;
    return {
        // Not h3, which is UDP.
        ...listener(site.port, ["h1", "h2"]),
        // The first answers plain HTTP with a redirect to https on the same port.
        listener_wrappers: [{ wrapper: "http_redirect", max_header_bytes: headerBytes }, { wrapper: "tls" }],
        tls_connection_policies: [
            { alpn: ["h2", "http/1.1"], protocol_min: "tls1.2", default_sni: publicHost, fallback_sni: publicHost },
        ],
        // Which certificates there are is said by `certificates`, not by the routes.
        automatic_https: { disable: true },
        routes: [
            ...responseHeaders(site, publicHost),
            {
                match: [{ not: [{ host: hosts }] }],
                handle: [text(403, "This gateway does not answer for the name that was asked for.")],
                terminal: true,
            },
            ...(isModel(site.name) ? [tokenCheck(site.name)] : []),
            { handle: [proxy(site, args.upstreamAuthorities ?? false)] },
        ],
        errors: {
            routes: [
                ...responseHeaders(site, publicHost),
                // Caddy itself logs the reason only where no route answers.
                { handle: [{ handler: "log_append", key: "reason", value: "{http.error.message}" }] },
                {
                    match: [{ expression: "{http.error.status_code} in [502, 503, 504]" }],
                    handle: [text("{http.error.status_code}", `${title(site.name)} does not answer.`)],
                },
            ],
        },
    };
}

/** Scoring has no login of its own. The token is read from its file, so this configuration holds no credential. */
function tokenCheck(name: `model-${string}`): object {
    const token = `{file.${secrets}/${tokenFile(name)}}`;
    return {
        // A scheme is of any case; these two are what clients write.
        match: [{ not: [{ header: { Authorization: [`Bearer ${token}`, `bearer ${token}`] } }] }],
        handle: [
            { handler: "headers", response: { set: { "WWW-Authenticate": [`Bearer realm="${name}"`] } } },
            text(401, "This model wants its bearer token: Authorization: Bearer <token>."),
        ],
        terminal: true,
    };
}

/** What every server of Caddy has. */
function listener(port: number, protocols: readonly string[]): object {
    return {
        listen: [`:${port}`],
        protocols,
        max_header_bytes: headerBytes,
        read_header_timeout: "15s",
        // Between two pieces of a body, not for all of it: large artifacts come by slow links.
        read_idle_timeout: "2m",
        write_idle_timeout: "2m",
        idle_timeout: "3m",
        logs: {},
    };
}

function text(status: number | string, body: string): object {
    return {
        handler: "static_response",
        status_code: status,
        headers: { "Content-Type": ["text/plain; charset=utf-8"] },
        body: `${body}\n`,
    };
}

function responseHeaders(site: Site, publicHost: string): object[] {
    const set = {
        "X-Content-Type-Options": ["nosniff"],
        ...(site.name === "s3"
            ? {}
            : {
                  // Addresses of runs and objects are nobody else's business.
                  "Referrer-Policy": ["same-origin"],
                  "Permissions-Policy": ["camera=(), geolocation=(), microphone=(), payment=(), usb=()"],
              }),
    };
    const name = publicHost.toLowerCase();
    const frames = {
        handler: "headers",
        response: { set: { "X-Frame-Options": ["SAMEORIGIN"] }, require: { headers: { "X-Frame-Options": null } } },
    };
    return [
        { handle: [{ handler: "headers", response: { set, delete: ["Server", "Via"], deferred: true } }] },
        // Only where this name was asked for: a browser that hears it for localhost takes https for all that runs there.
        ...(isIP(name) === 0 && name !== "localhost" && !name.endsWith(".localhost")
            ? [
                  {
                      match: [{ host: [publicHost] }],
                      handle: [
                          {
                              handler: "headers",
                              response: { set: { "Strict-Transport-Security": ["max-age=31536000"] }, deferred: true },
                          },
                      ],
                  },
              ]
            : []),
        ...(site.name === "s3"
            ? []
            : [
                  site.name === "tracking"
                      ? { match: [{ not: [{ path: [notebookFrames] }] }], handle: [frames] }
                      : { handle: [frames] },
              ]),
    ];
}

function proxy(site: Site, upstreamAuthorities: boolean): object {
    const { protocol, host } = new URL(site.upstream);
    const authorities = { ca: { provider: "file", pem_files: [`${secrets}/s3_ca`] } };
    const secure = protocol === "https:";
    return {
        handler: "reverse_proxy",
        upstreams: [{ dial: /:\d+$/.test(host) ? host : `${host}:${secure ? 443 : 80}` }],
        headers: {
            request: {
                // Signatures of S3 cover it. Caddy puts the upstream's name there if that speaks TLS.
                set: { Host: ["{http.request.hostport}"] },
                // A model is code, and the token is not for it.
                delete: [...forgeable, ...(isModel(site.name) ? ["Authorization"] : [])],
            },
            response: {
                // MinIO's covers subdomains.
                delete: ["Strict-Transport-Security"],
                // An upstream that speaks plain HTTP does not know that its cookies travel by TLS.
                ...(secure ? {} : { replace: { "Set-Cookie": [{ search_regexp: "$", replace: "; Secure" }] } }),
            },
        },
        // MLflow refuses before it has read a body, and Go's server closes a body at the answer: a proxy that still reads it
        // then loses the answer (seen in 1 of 500). What is longer goes on as a stream. S3 asks first, by Expect.
        ...(site.name === "s3" ? {} : { request_buffers: 65536 }),
        // At once, also where the length is known.
        flush_interval: -1,
        transport: {
            protocol: "http",
            dial_timeout: "5s",
            // From the end of a request: MLflow answers an upload after it has passed the artifact on to the store, 10 GiB
            // within this hour at 3 MB/s. Whoever asked and went away ends it sooner.
            response_header_timeout: "1h",
            // The client sends its body once the upstream wants it.
            expect_continue_timeout: "1s",
            // Else what is stored compressed would come out otherwise than it was signed and stored.
            compression: false,
            // Less than the 5 s of uvicorn, which would close a connection while a request is on its way.
            keep_alive: { idle_timeout: "3s" },
            // Upstreams are near, whatever proxy the environment names for ACME.
            network_proxy: { from: "none" },
            // HTTP/2 has nothing to give here, and passes no WebSocket.
            versions: ["1.1"],
            ...(secure ? { tls: upstreamAuthorities ? authorities : {} } : {}),
        },
    };
}

function redirectServer(publicHost: string, httpPort: number, sites: readonly Site[]): object {
    const port = sites.find((site) => site.name === "tracking")?.port;
    const origin = port === undefined || port === 443 ? publicHost : `${publicHost}:${port}`;
    return {
        ...listener(httpPort, ["h1"]),
        automatic_https: { disable: true },
        routes: [
            {
                handle: [
                    { handler: "headers", response: { delete: ["Server"] } },
                    {
                        handler: "static_response",
                        status_code: 308,
                        headers: { Location: [`https://${origin}{http.request.uri}`] },
                    },
                ],
            },
        ],
    };
}

/** The port that answers TLS-ALPN-01. Authorities ask 443; where that is not here, somebody has to lead it to this one. */
function challengePort(sites: readonly Site[]): number {
    return (
        (sites.find((site) => site.port === 443) ?? sites.find((site) => site.name === "tracking") ?? sites[0])?.port ??
        443
    );
}

function certificates(
    { publicHost, policy, sites, httpPort }: GatewayConfigurationArgs,
    hosts: readonly string[],
): object {
    switch (policy.kind) {
        case "given":
            return {
                certificates: {
                    load_files: [{ certificate: `${secrets}/tls_certificate`, key: `${secrets}/tls_private_key` }],
                },
            };
        case "internal":
            return issued(hosts, { module: "internal", lifetime: "168h" });
        case "acme":
            return issued([publicHost], {
                module: "acme",
                email: policy.email,
                ...(policy.directory === undefined ? {} : { ca: policy.directory }),
                ...(policy.privateRoots ? { trusted_roots_pem_files: [`${secrets}/acme_ca`] } : {}),
                challenges: {
                    http: { disabled: httpPort === undefined },
                    // Tried in vain it would count as a failure with the authority.
                    "tls-alpn": { disabled: httpPort !== undefined && !sites.some((site) => site.port === 443) },
                },
            });
    }
}

function issued(subjects: readonly string[], issuer: object): object {
    return { certificates: { automate: subjects }, automation: { policies: [{ subjects, issuers: [issuer] }] } };
}

const authority = {
    certificate_authorities: {
        // The one of Caddy's own issuer.
        local: {
            name: "mlflow-platform",
            intermediate_common_name: "mlflow-platform gateway",
            // Signs certificates of a week; both are made anew long before they end.
            intermediate_lifetime: "720h",
            install_trust: false,
            root: { certificate: `${secrets}/ca_certificate`, private_key: `${secrets}/ca_private_key` },
        },
    },
};
