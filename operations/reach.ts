/** How this host reaches a platform, wherever its engine is: directly, or through the engine. */
import { once } from "node:events";
import { connect } from "node:net";
import { ownAddress } from "../components/addresses.ts";
import { type Configuration, isLoopback } from "../config.ts";
import { shellImage } from "../engineHost.ts";
import { isLocal } from "../hostCheck.ts";
import { EngineRelay } from "./engineRelay.ts";
import { type Way, wayIn } from "./trackingApi.ts";
import { UserError } from "./userError.ts";

/** Milliseconds that a host has to take a connection. */
const patience = 4000;

/** Whether somebody takes a connection at a URL's host and port. */
async function answers(url: string): Promise<boolean> {
    const { hostname, port, protocol } = new URL(url);
    const socket = connect({ host: hostname, port: portOf(port, protocol) });
    try {
        await once(socket, "connect", { signal: AbortSignal.timeout(patience) });
        return true;
    } catch {
        return false;
    } finally {
        socket.destroy();
    }
}

function portOf(port: string, protocol: string): number {
    return port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
}

/** Which hosts of URLs are the platform's own, so that their ports are those of the engine's host. */
export function isPlatformHost(host: string, { publicHost, bindAddress }: Configuration): boolean {
    return host === publicHost || host === ownAddress(bindAddress) || isLoopback(host);
}

/**
 * Lets something be done with a platform as its administrator. Where the engine is elsewhere and the platform's address cannot be
 * reached from here (on loopback never: that is this host's own), every connection goes through the engine. `through` says whether.
 */
export async function reach<T>(
    outputs: Readonly<Record<string, unknown>>,
    configuration: Configuration,
    engine: string | undefined,
    act: (way: Way, through: boolean) => Promise<T>,
): Promise<T> {
    const way = wayIn(outputs, configuration, engine);
    const { bindAddress } = configuration;
    if (isLocal(engine) || (!isLoopback(bindAddress) && (await answers(way.trackingUri)))) {
        return act(way, false);
    }
    const image = await shellImage(engine, configuration);
    if (image === undefined) {
        throw new UserError(
            `${way.trackingUri} is only to be reached on the engine's host, and the engine has none of the platform's images to go through.`,
            "npm start brings them.",
        );
    }
    const relay = new EngineRelay(engine, image);
    const tunnel: Way["tunnel"] = async (host, port) =>
        isPlatformHost(host, configuration) ? relay.socketTo(ownAddress(bindAddress), port) : undefined;
    try {
        return await act({ ...way, tunnel }, true);
    } catch (error) {
        await relay.close();
        if (relay.failure !== undefined && error instanceof Error && !(error instanceof UserError)) {
            error.message += ` (${relay.failure})`;
        }
        throw error;
    } finally {
        await relay.close();
    }
}

/** The ssh command by which a user reaches, on his own loopback, what a platform publishes on that of the engine's host. */
export function forwardCommand(engine: string, address: string, ports: readonly number[]): string {
    const url = URL.canParse(engine) ? new URL(engine) : undefined;
    const user = url?.protocol === "ssh:" && url.username !== "" ? decodeURIComponent(url.username) : "<user>";
    const port = url?.protocol === "ssh:" && url.port !== "" ? `-p ${url.port} ` : "";
    const host = url === undefined || url.hostname === "" ? "<engine's host>" : url.hostname;
    // ssh listens on 127.0.0.1 where nothing else is said.
    const own = address === "127.0.0.1" ? "" : `${address}:`;
    const forwards = ports.map((number) => `-L ${own}${number}:${address}:${number}`).join(" ");
    return `ssh -N ${forwards} ${port}${user}@${host}`;
}
