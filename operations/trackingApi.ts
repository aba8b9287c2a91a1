/** MLflow's REST API, and what it hands out URLs for, as a client on this host reaches them. */
import { lookup } from "node:dns";
import { readFileSync } from "node:fs";
import type { LookupFunction } from "node:net";
import { rootCertificates } from "node:tls";
import { Agent, type Response, buildConnector, fetch } from "undici";
import { ownAddress } from "../components/addresses.ts";
import { systemBundle } from "../components/buildSecrets.ts";
import type { Configuration } from "../config.ts";
import { isLocal } from "../hostCheck.ts";

/** How to get in. */
export interface Way {
    readonly trackingUri: string;
    /** Who logs in; undefined where there is no login. */
    readonly login?: { readonly username: string; readonly password: string } | undefined;
    /** Certificates in PEM form that are trusted beside those that this host trusts. */
    readonly authorities?: readonly string[] | undefined;
    /** A name and the address to take for it, instead of asking DNS. */
    readonly address?: { readonly host: string; readonly ip: string } | undefined;
    /** A path of a socket to go by to a host and port; undefined where they are reached as usual. */
    readonly tunnel?: ((host: string, port: number) => Promise<string | undefined>) | undefined;
}

/** The way into a stack with these outputs, for its administrator. */
export function wayIn(
    outputs: Readonly<Record<string, unknown>>,
    { publicHost, bindAddress, mlflowAuth, tlsAcmeCaFile, minioCaFile }: Configuration,
    engine: string | undefined,
): Way {
    return {
        trackingUri: String(outputs.trackingUri),
        login: mlflowAuth
            ? { username: String(outputs.adminUsername), password: String(outputs.adminPassword) }
            : undefined,
        authorities: [outputs.caCertificate as string | undefined, tlsAcmeCaFile, minioCaFile].filter(
            (pem) => pem !== undefined,
        ),
        // The gateway is on this host, whatever its name means elsewhere or not yet.
        address:
            publicHost !== undefined && isLocal(engine) ? { host: publicHost, ip: ownAddress(bindAddress) } : undefined,
    };
}

/** An answer that is not the one asked for. */
export class AnswerError extends Error {
    public readonly status: number;

    constructor(request: string, status: number, text: string) {
        super(`${request} answered ${status}: ${text.slice(0, 500)}`);
        this.status = status;
    }
}

/** Connects by the tunnel's sockets; names and certificates are those of the URL all the same. */
function tunnelled(direct: buildConnector.BuildOptions, tunnel: NonNullable<Way["tunnel"]>): buildConnector.connector {
    return (options, callback) => {
        const port = options.port === "" ? (options.protocol === "https:" ? 443 : 80) : Number(options.port);
        tunnel(options.hostname, port).then(
            (path) => {
                buildConnector({ ...direct, ...(path === undefined ? {} : { socketPath: path }) })(options, callback);
            },
            (error: unknown) => {
                callback(error as Error, null);
            },
        );
    };
}

/** Requests to one tracking server. */
export class TrackingApi {
    private readonly agent: Agent;

    private readonly way: Way;

    constructor(way: Way) {
        this.way = way;
        const { authorities = [], address, tunnel } = way;
        const bundle = systemBundle(process.env);
        const trusted = bundle === undefined ? [] : [readFileSync(bundle, "utf8")];
        const ca = [...rootCertificates, ...trusted, ...authorities];
        const direct: buildConnector.BuildOptions & { lookup?: LookupFunction } = {
            ca,
            ...(address === undefined
                ? {}
                : {
                      lookup: (host, options, found) => {
                          if (host !== address.host) {
                              lookup(host, options, found);
                          } else if (options.all === true) {
                              found(null, [{ address: address.ip, family: 4 }]);
                          } else {
                              found(null, address.ip, 4);
                          }
                      },
                  }),
        };
        this.agent = new Agent({ connect: tunnel === undefined ? direct : tunnelled(direct, tunnel) });
    }

    /** Any answer. A body that is not bytes is sent as JSON. */
    async ask(method: string, path: string, body?: unknown): Promise<Response> {
        const { trackingUri, login } = this.way;
        const url = new URL(path, trackingUri);
        const raw = body instanceof Uint8Array;
        const asked = fetch(url, {
            method,
            dispatcher: this.agent,
            headers: {
                ...(body === undefined
                    ? {}
                    : { "content-type": raw ? "application/octet-stream" : "application/json" }),
                // What was signed for somebody is fetched as he would: with nothing but the URL.
                ...(login === undefined || url.origin !== new URL(trackingUri).origin
                    ? {}
                    : {
                          authorization: `Basic ${Buffer.from(`${login.username}:${login.password}`).toString("base64")}`,
                      }),
            },
            ...(body === undefined ? {} : { body: raw ? Buffer.from(body) : JSON.stringify(body) }),
            signal: AbortSignal.timeout(60_000),
        });
        return asked.catch((error: unknown) => {
            // It says "fetch failed", and why in the cause.
            const { cause, message } = error as Error & { cause?: Error & { code?: string } };
            // Of several addresses none of which answers, the message is empty.
            throw new Error([cause?.message, cause?.code, message].find(Boolean), { cause: error });
        });
    }

    /** An answer that is not an error. Throws an AnswerError. */
    async request(method: string, path: string, body?: unknown): Promise<Response> {
        const response = await this.ask(method, path, body);
        if (!response.ok) {
            throw new AnswerError(
                `${method} ${new URL(path, this.way.trackingUri).pathname}`,
                response.status,
                await response.text(),
            );
        }
        return response;
    }

    /** The same, as JSON. */
    async json<T>(method: string, path: string, body?: unknown): Promise<T> {
        return (await (await this.request(method, path, body)).json()) as T;
    }

    /** Closes its connections. */
    async close(): Promise<void> {
        await this.agent.close();
    }
}
