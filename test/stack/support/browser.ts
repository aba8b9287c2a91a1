/** A real browser on this host, with one authority more that it trusts. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { type Browser, chromium } from "playwright-core";
import { inTurn } from "./turn.ts";

const browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Installs Debian's browser, and the program that tells it whom to trust, where they are missing. */
async function install(): Promise<string> {
    const found = () => browsers.find((path) => existsSync(path));
    if (found() === undefined || !existsSync("/usr/bin/certutil")) {
        await inTurn("apt", async () => {
            await execa("apt-get", ["update"]);
            await execa("apt-get", ["install", "--yes", "--no-install-recommends", "chromium", "libnss3-tools"], {
                env: { DEBIAN_FRONTEND: "noninteractive" },
            });
        });
    }
    return found() ?? "/usr/bin/chromium";
}

/** Milliseconds that a page may take for what it is asked: beside other work more than Playwright's own 30 s. */
export const patience = 120_000;

let installed: Promise<string> | undefined;

/** What the browser is told of the platform. */
export interface Surroundings {
    /** An authority's certificate in PEM form that it trusts as its user would make it. */
    readonly authority?: string | undefined;
    /** A name and the address to take for it. */
    readonly host?: { readonly name: string; readonly address: string } | undefined;
}

/** Runs something with a browser, which has a home of its own. */
export async function withBrowser<T>(
    { authority, host }: Surroundings,
    act: (browser: Browser) => Promise<T>,
): Promise<T> {
    const executablePath = await (installed ??= install());
    const home = mkdtempSync(join(tmpdir(), "browser-"));
    try {
        // Where Chromium on Linux looks for authorities that a user has added.
        const database = join(home, ".pki", "nssdb");
        mkdirSync(database, { recursive: true });
        const certutil = (args: readonly string[], input = "") =>
            execa("certutil", ["-d", `sql:${database}`, ...args], { input });
        await certutil(["-N", "--empty-password"]);
        if (authority !== undefined) {
            await certutil(["-A", "-t", "C,,", "-n", "platform"], authority);
        }
        const browser = await chromium.launch({
            executablePath,
            env: { ...process.env, HOME: home },
            args: [
                "--no-sandbox",
                ...(host === undefined ? [] : [`--host-resolver-rules=MAP ${host.name} ${host.address}`]),
            ],
        });
        try {
            return await act(browser);
        } finally {
            await browser.close();
        }
    } finally {
        rmSync(home, { recursive: true, force: true });
    }
}
