/**
 * The code blocks of docs/clients.md, run as they stand there: Python and shell on this host, where a name is looked up as the
 * gateway's address; R and Java in a container of the stack's network, where the gateway answers to that name itself.
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { writeBuildSecrets } from "../../../components/buildSecrets.ts";
import { pinnedBase } from "../../../operations/baseImage.ts";
import { placesOf } from "../../../operations/places.ts";
import { docker } from "./engine.ts";
import { python } from "./python.ts";

const project = join(import.meta.dirname, "../../..");

/** A fenced block. */
export interface Block {
    /** Word behind the fence. */
    readonly language: string;
    /** Text of the comment in its first line. */
    readonly title: string;
    /** All that stands between the fences. */
    readonly code: string;
}

/** Every fenced block of a document, in its order. Throws where one has no language, no title, or a fence has no end. */
export function blocksOf(text: string): Block[] {
    const blocks: Block[] = [];
    let open: { fence: string; language: string; lines: string[] } | undefined;
    for (const line of text.split("\n")) {
        // Also one in a list or a quotation.
        const [, fence = "", info = ""] = /^[\s>*+-]*(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
        if (open === undefined) {
            open = fence === "" ? undefined : { fence, language: info.trim(), lines: [] };
        } else if (fence.startsWith(open.fence) && info.trim() === "") {
            const { language, lines } = open;
            const [, title = ""] = /^(?:#|\/\/) (.+)$/.exec(lines[0] ?? "") ?? [];
            if (language === "" || title === "") {
                throw new Error(
                    `a block has no language, or no comment with its title in its first line:\n${lines.join("\n")}`,
                );
            }
            blocks.push({ language, title, code: `${lines.join("\n")}\n` });
            open = undefined;
        } else {
            open.lines.push(line);
        }
    }
    if (open !== undefined) {
        throw new Error("a block has no end");
    }
    return blocks;
}

/** The blocks of docs/clients.md. */
export function clientBlocks(): Block[] {
    return blocksOf(readFileSync(join(project, "docs", "clients.md"), "utf8"));
}

/** Where a block runs. */
export interface Client {
    /** Variables that it has beside those of its place. */
    readonly env: Readonly<Record<string, string>>;
    /** Network of the stack, for what runs in a container. */
    readonly network: string;
    /** Directory that holds the files which the variables name; any user may read them. */
    readonly home: string;
    /** Address on this host that stands for the host in MLFLOW_TRACKING_URI. Defaults to asking DNS. */
    readonly address?: string | undefined;
}

/** Runs a block; returns what it printed. Throws where it fails, or nobody knows how to run its language. */
export async function runBlock({ language, title, code }: Block, client: Client): Promise<string> {
    switch (language) {
        case "python":
            return onHost(client, await python(), "block.py", code);
        case "sh":
            return onHost(client, "sh", "block.sh", code);
        case "r":
            return inContainer(client, ["Rscript"], "block.R", code);
        case "java":
            return inContainer(client, ["java"], "Block.java", code);
        default:
            throw new Error(`"${title}" is in ${language}, which no test can run`);
    }
}

// Python imports a module of this name at its start; a block and its programs then know nothing of it.
const lookUp = `
import os, socket

_resolve = socket.getaddrinfo
_names = dict([os.environ["TEST_NAME"].split("=")])


def _resolved(host, *args, **kwargs):
    return _resolve(_names.get(host, host), *args, **kwargs)


socket.getaddrinfo = _resolved
`;

async function onHost({ env, home, address }: Client, program: string, file: string, code: string): Promise<string> {
    const directory = mkdtempSync(join(home, "block-"));
    const modules = join(directory, "modules");
    mkdirSync(modules);
    writeFileSync(join(modules, "sitecustomize.py"), lookUp);
    writeFileSync(join(directory, file), code);
    const { hostname } = new URL(env.MLFLOW_TRACKING_URI ?? "");
    const { stdout } = await execa(program, [file], {
        cwd: directory,
        extendEnv: false,
        env: {
            // The Python that a shell finds first has MLflow.
            PATH: `${dirname(await python())}:${process.env.PATH ?? ""}`,
            HOME: home,
            PYTHONPATH: modules,
            TEST_NAME: `${hostname}=${address ?? hostname}`,
            GIT_PYTHON_REFRESH: "quiet",
            MLFLOW_DISABLE_TELEMETRY: "true",
            ...env,
        },
    });
    return stdout;
}

async function inContainer(
    { env, network, home }: Client,
    program: readonly string[],
    file: string,
    code: string,
): Promise<string> {
    const { stdout } = await execa(
        "docker",
        [
            ...["run", "--rm", "--interactive", "--network", network, "--volume", `${home}:${home}:ro`],
            // By name alone, so that no value is among the arguments.
            ...Object.keys(env).flatMap((name) => ["--env", name]),
            ...[await (clients ??= image()), "sh", "-euc", `cat >${file}; exec "$@"`, "sh", ...program, file],
        ],
        { env, input: code },
    );
    return stdout;
}

const packages = ["openjdk-21-jdk-headless", "r-base-core", "r-cran-httr2", "r-cran-jsonlite"];

// The authorities are named instead of put in their place, because installing ca-certificates writes them there.
const install = `
. /run/build.env
# Where alternatives of the JDK have their pages; slim images have no such directory.
mkdir -p /usr/share/man/man1
apt-get update
apt-get --option Acquire::https::CaInfo=/run/ca.crt install --yes --no-install-recommends ${packages.join(" ")}
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb`;

let clients: Promise<string> | undefined;

/** The image with R and Java, made once on an engine from the base of the platform's images. */
async function image(): Promise<string> {
    const base = process.env.MLFLOW_PLATFORM_BASE_IMAGE ?? pinnedBase(placesOf(process.env));
    const hash = createHash("sha256").update(`${base}\0${install}`).digest("hex").slice(0, 12);
    const tag = `mlflow-platform-test/clients:${hash}`;
    if ((await execa("docker", ["image", "inspect", tag], { reject: false })).exitCode === 0) {
        return tag;
    }
    const { aptSources } = writeBuildSecrets(project, process.env);
    const files = dirname(aptSources);
    // Not a build, because not every docker command has BuildKit, without which a build has no secrets.
    const name = `mlflow-platform-test-clients-${process.pid}`;
    try {
        await docker(
            ...["run", "--name", name, "--env", "DEBIAN_FRONTEND=noninteractive"],
            ...["--volume", `${aptSources}:/etc/apt/sources.list.d/debian.sources:ro`],
            ...["--volume", `${join(files, "ca.crt")}:/run/ca.crt:ro`],
            ...["--volume", `${join(files, "build.env")}:/run/build.env:ro`],
            ...[base, "bash", "-euc", install],
        );
        await docker("commit", "--change", "ENV LANG=C.UTF-8 HOME=/tmp", "--change", "WORKDIR /tmp", name, tag);
    } finally {
        await docker("rm", "--force", "--volumes", name);
    }
    return tag;
}
