/** HTTP servers of this host that remember what they were asked. */
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { IncomingMessage, RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { KeyPair } from "../../../components/certificates.ts";

/** A request, with what of its headers is read here. */
export interface Asked {
    readonly method: string;
    readonly path: string;
    readonly host: string | undefined;
    readonly authorization: string | undefined;
    readonly contentType: string | undefined;
    readonly body: string;
}

/** What a server says: JSON, unless it is a text. */
export interface Answer {
    readonly status?: number;
    readonly body?: unknown;
    readonly headers?: Readonly<Record<string, string>>;
}

/** A server that runs. */
export interface Served {
    readonly url: string;
    readonly port: number;
    readonly asked: Asked[];
    readonly close: () => Promise<void>;
}

async function askedBy(request: IncomingMessage): Promise<Asked> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
        chunks.push(chunk as Buffer);
    }
    const { method = "", url: path = "", headers } = request;
    return {
        method,
        path,
        host: headers.host,
        authorization: headers.authorization,
        contentType: headers["content-type"],
        body: Buffer.concat(chunks).toString(),
    };
}

/** Starts a server on loopback that answers so; by TLS where it has a certificate. */
export async function serve(answer: (request: Asked) => Answer, pair?: KeyPair): Promise<Served> {
    const asked: Asked[] = [];
    const listener: RequestListener = (request, response) => {
        void askedBy(request).then((one) => {
            asked.push(one);
            const { status = 200, body = {}, headers = {} } = answer(one);
            response.writeHead(status, headers).end(typeof body === "string" ? body : JSON.stringify(body));
        });
    };
    const server =
        pair === undefined
            ? createServer(listener)
            : createTlsServer({ cert: pair.certificate, key: pair.privateKey }, listener);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return {
        url: `${pair === undefined ? "http" : "https"}://127.0.0.1:${port}`,
        port,
        asked,
        close: async () => {
            if (!server.listening) {
                return;
            }
            server.close();
            server.closeAllConnections();
            await once(server, "close");
        },
    };
}

/** The header of HTTP's basic scheme. */
export const basic = (username: string, password: string) =>
    `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
