/** Names: does publicHost lead here, do containers find each other, and do they find the package index. */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { execa } from "execa";
import type { Configuration } from "../../config.ts";
import { isLocal } from "../../hostCheck.ts";
import type { StackContainer } from "../containers.ts";
import type { Problem } from "../stackProblems.ts";
import { type Finding, findingsOf } from "./finding.ts";

export interface NameFacts {
    /** What this host's DNS says of publicHost; undefined without a gateway. */
    readonly publicHost: { readonly name: string; readonly addresses: readonly string[] } | undefined;
    /** IPv4 addresses of this host; undefined where the engine is on another one. */
    readonly own: readonly string[] | undefined;
    /** Container → name that it needs → whether it finds it. */
    readonly inside: Readonly<Record<string, Readonly<Record<string, boolean>>>>;
}

async function addressesOf(name: string): Promise<string[]> {
    try {
        return (await lookup(name, { all: true, family: 4 })).map(({ address }) => address);
    } catch {
        return [];
    }
}

/** Prints, for each argument, whether it is a name that resolves. */
const resolve = `
import json, socket, sys
def known(name):
    try:
        return bool(socket.getaddrinfo(name, None))
    except OSError:
        return False
print(json.dumps({name: known(name) for name in sys.argv[1:]}))`;

async function insideOf(
    { container }: StackContainer,
    python: string,
    names: readonly string[],
    variables: Record<string, string>,
): Promise<Record<string, boolean>> {
    const { exitCode, stdout } = await execa("docker", ["exec", container, python, "-c", resolve, ...names], {
        env: variables,
        reject: false,
        timeout: 60_000,
    });
    return exitCode === 0 ? (JSON.parse(stdout) as Record<string, boolean>) : {};
}

/** Host of the index that model servers fetch packages from. */
export function indexHost(packageIndexUrl: string | undefined, env: NodeJS.ProcessEnv): string {
    const url =
        packageIndexUrl ?? env.UV_DEFAULT_INDEX ?? env.UV_INDEX_URL ?? env.PIP_INDEX_URL ?? "https://pypi.org/simple";
    return URL.canParse(url) ? new URL(url).hostname : "pypi.org";
}

export async function nameFacts(
    configuration: Partial<Configuration>,
    containers: readonly StackContainer[],
    variables: Record<string, string>,
    env: NodeJS.ProcessEnv,
): Promise<NameFacts> {
    const { publicHost, pgHost, minioHost, packageIndexUrl } = configuration;
    const running = containers.filter(({ kind, state }) => kind === "service" && state === "running");
    const asked = running.flatMap((container) => {
        if (container.name === "mlflow") {
            const names = [pgHost ?? "postgres", minioHost ?? "minio"].filter((name) => isIP(name) === 0);
            return [{ container, python: "/opt/mlflow/bin/python", names }];
        }
        // What goes by a proxy need not resolve names.
        const proxied = env.HTTPS_PROXY !== undefined || env.https_proxy !== undefined;
        return container.name.startsWith("model-") && !container.name.endsWith("-monitor")
            ? [
                  {
                      container,
                      python: "python",
                      names: ["mlflow", ...(proxied ? [] : [indexHost(packageIndexUrl, env)])],
                  },
              ]
            : [];
    });
    const interfaces = Object.values(networkInterfaces())
        .flatMap((entries) => entries ?? [])
        .filter(({ family }) => family === "IPv4");
    const [addresses, inside] = await Promise.all([
        publicHost === undefined ? [] : isIP(publicHost) === 0 ? addressesOf(publicHost) : [publicHost],
        Promise.all(
            asked.map(
                async ({ container, python, names }) =>
                    [container.name, await insideOf(container, python, names, variables)] as const,
            ),
        ),
    ]);
    return {
        publicHost: publicHost === undefined ? undefined : { name: publicHost, addresses },
        own: isLocal(variables.DOCKER_HOST) ? interfaces.map(({ address }) => address) : undefined,
        inside: Object.fromEntries(inside),
    };
}

export function judgeNames({ publicHost, own, inside }: NameFacts, stack: string): Finding[] {
    const problems: Problem[] = [];
    if (publicHost !== undefined) {
        const { name, addresses } = publicHost;
        const elsewhere = own !== undefined && !addresses.some((address) => own.includes(address));
        if (addresses.length === 0) {
            problems.push({
                level: "warn",
                what: `publicHost ${name} is no name that this host's DNS knows; clients that do not know it cannot come in`,
                cure: "Enter it in DNS, or in each client's /etc/hosts.",
            });
        } else if (elsewhere) {
            problems.push({
                level: "warn",
                what: `publicHost ${name} leads to ${addresses.join(", ")}, which is none of this host's addresses`,
                cure: `Right where something in front passes it on; else correct DNS, or npm run pulumi -- config set publicHost <name> --stack ${stack}`,
            });
        }
    }
    for (const [container, names] of Object.entries(inside)) {
        const lost = Object.entries(names).flatMap(([name, found]) => (found ? [] : [name]));
        if (lost.length > 0) {
            problems.push({
                level: "fault",
                what: `in the container ${container} these names lead nowhere: ${lost.join(", ")}`,
                cure: `Of services: npm start -- --stack ${stack}. Of other hosts: give the engine a DNS server ("dns" in /etc/docker/daemon.json).`,
            });
        }
    }
    return findingsOf("names", problems, "the names that are needed lead where they should");
}
