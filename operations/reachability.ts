/** Whether something on the network answers: asked quickly, by the proxy that the environment names. */
import { EnvHttpProxyAgent, fetch } from "undici";

/** Milliseconds that a host has to answer. */
const patience = 4000;

/** The HTTP status that a URL answers a HEAD with, or in a few words why nothing answers. */
export async function ask(url: string | URL): Promise<{ status: number } | { silence: string }> {
    // Node's own fetch knows no proxy (nodejs/node, before 24).
    const dispatcher = new EnvHttpProxyAgent();
    try {
        const { status } = await fetch(url, { method: "HEAD", dispatcher, signal: AbortSignal.timeout(patience) });
        return { status };
    } catch (error) {
        const { cause, name } = error as Error & { cause?: { code?: string } };
        return { silence: name === "TimeoutError" ? `no answer in ${patience / 1000} s` : (cause?.code ?? name) };
    } finally {
        await dispatcher.close();
    }
}
