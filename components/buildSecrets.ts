/**
 * What a build takes from the host that runs Pulumi: its certificates (with a company's own CA), its package mirrors and
 * its proxy. All of it reaches the builds as BuildKit secrets, which end up neither in an image nor in its history, and whose
 * content does not count as a change of the build.
 *
 * The files have one place relative to the project, so that the stack's state is the same wherever it is run.
 */
import { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { rootCertificates } from "node:tls";
import type * as docker from "@pulumi/docker";
import { shellWord } from "./shell.ts";

/** Directory of what a build needs and leaves beside the image, relative to the project. */
export const buildFiles = "node_modules/.cache/mlflow-platform";

/** Place of each secret's file, relative to the project; ids as the Dockerfiles in images/ name them. */
const files = { ca: `${buildFiles}/ca.crt`, apt: `${buildFiles}/debian.sources`, build_env: `${buildFiles}/build.env` };

/** For `RemoteImage.build.secrets`. */
export const buildSecrets: docker.types.input.RemoteImageBuildSecret[] = Object.entries(files).map(([id, src]) => ({
    id,
    src,
}));

/** Standard variables that package managers read; a build gets those that are set. */
const passedOn = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "GOPROXY",
    "GOSUMDB",
    "GONOSUMDB",
    "GOPRIVATE",
];

/** Where operating systems keep their certificates, for hosts that name no bundle by SSL_CERT_FILE. */
const bundles = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/** A shell's line that exports a variable, whatever its value holds. */
export function exportLine(name: string, value: string): string {
    return `export ${name}=${shellWord(value)}`;
}

/** The shell file that builds source: `export NAME='value'` for each standard variable that is set. */
export function buildEnvironment(env: NodeJS.ProcessEnv): string {
    return exports(env, passedOn);
}

function exports(env: NodeJS.ProcessEnv, names: readonly string[]): string {
    return names
        .flatMap((name) => {
            const value = env[name];
            return value === undefined || value === "" ? [] : [`${exportLine(name, value)}\n`];
        })
        .join("");
}

/** Debian's public mirror and security mirror. */
export const publicMirrors = {
    archive: "http://deb.debian.org/debian",
    security: "http://deb.debian.org/debian-security",
};

/**
 * The mirrors in a Debian host's own apt sources (deb822 or one line each; `texts` are the files' contents), else Debian's
 * public ones. Only http and https count: a build has no access to the host's files.
 */
export function debianMirrors(texts: readonly string[]): { archive: string; security: string } {
    const found = texts.flatMap((text) => [
        ...text.split(/\n\s*\n/).map((stanza) => {
            const field = (name: string) => new RegExp(`^${name}:\\s*(.*)`, "m").exec(stanza)?.[1]?.trim() ?? "";
            return { uri: field("URIs"), suite: field("Suites"), components: field("Components") };
        }),
        ...[...text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)/gm)].map((match) => ({
            uri: match[1] ?? "",
            suite: match[2] ?? "",
            components: match[3] ?? "",
        })),
    ]);
    // A vendor's repository for Debian may have a path like a mirror's, but not Debian's component main.
    const mirrors = found
        .map(({ uri, suite, components }) => ({
            uri: uri.split(/\s+/)[0] ?? "",
            suite: suite.split(/\s+/)[0] ?? "",
            components: components.split(/\s+/),
        }))
        .filter(
            ({ uri, components }) => /^https?:\/\/.*\/debian(-security)?\/?$/.test(uri) && components.includes("main"),
        );
    const security = mirrors.find(({ suite }) => suite.endsWith("-security"))?.uri;
    const archive = mirrors.find(({ suite }) => /^[a-z]+$/.test(suite))?.uri;
    return { archive: archive ?? publicMirrors.archive, security: security ?? publicMirrors.security };
}

/** apt's sources for Debian 13 (trixie) from the given mirrors, in deb822 form. */
export function trixieSources(mirrors: { archive: string; security: string }): string {
    const stanza = (uri: string, suites: string) =>
        `Types: deb\nURIs: ${uri}\nSuites: ${suites}\nComponents: main\n` +
        `Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`;
    return `${stanza(mirrors.archive, "trixie trixie-updates")}\n${stanza(mirrors.security, "trixie-security")}`;
}

/** The contents of the files in a directory whose names match, none if there is no such directory. */
function contents(path: string, name: RegExp): string[] {
    if (!existsSync(path)) {
        return [];
    }
    return readdirSync(path)
        .filter((file) => name.test(file))
        .map((file) => readFileSync(join(path, file), "utf8"));
}

function hostAptSources(): string[] {
    const release = contents("/etc", /^os-release$/)[0] ?? "";
    if (!/^ID=debian$/m.test(release)) {
        return [];
    }
    return [...contents("/etc/apt", /^sources\.list$/), ...contents("/etc/apt/sources.list.d", /\.(list|sources)$/)];
}

// Renamed into place: another process may be building with the file.
function writeIfChanged(path: string, content: string): void {
    if (existsSync(path) && readFileSync(path, "utf8") === content) {
        return;
    }
    mkdirSync(dirname(path), { recursive: true });
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, content, { mode: 0o600 });
    renameSync(temporary, path);
}

/** This host's bundle of authorities, a company's own among them; undefined where it has none. */
export function systemBundle(env: NodeJS.ProcessEnv): string | undefined {
    return [env.SSL_CERT_FILE, ...bundles].find((path) => path !== undefined && existsSync(path));
}

/** Every certificate in a text, in PEM form. */
export function pemCertificates(text: string): string[] {
    return text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
}

/** The certificates of a bundle that are not among the public ones: a company's own. Undefined where there is none. */
export function privateAuthorities(bundle: string): string | undefined {
    const known = new Set(rootCertificates.map((pem) => new X509Certificate(pem).fingerprint256));
    const found = pemCertificates(bundle);
    const ours = found.filter((pem) => {
        try {
            return !known.has(new X509Certificate(pem).fingerprint256);
        } catch {
            // Operating systems keep certificates that OpenSSL no longer reads; they sign nothing here.
            return false;
        }
    });
    return ours.length === 0 ? undefined : `${ours.join("\n")}\n`;
}

/** What a container needs to reach the package index as this host does: shell lines of exports, and authorities in PEM form. */
export function packageSettings(
    env: NodeJS.ProcessEnv,
    configured: { readonly indexUrl?: string | undefined; readonly authorities?: string | undefined },
): { environment: string; authorities: string | undefined } {
    const bundle = systemBundle(env);
    const { indexUrl } = configured;
    return {
        environment: exports(
            indexUrl === undefined
                ? env
                : {
                      ...env,
                      PIP_INDEX_URL: indexUrl,
                      PIP_EXTRA_INDEX_URL: "",
                      UV_DEFAULT_INDEX: indexUrl,
                      UV_INDEX_URL: "",
                  },
            passedOn.filter((name) => !name.startsWith("GO")),
        ),
        authorities:
            configured.authorities ??
            (bundle === undefined ? undefined : privateAuthorities(readFileSync(bundle, "utf8"))),
    };
}

/** Writes the files that `buildSecrets` names, from this host's settings. Returns the path of apt's sources. */
export function writeBuildSecrets(project: string, env: NodeJS.ProcessEnv): { aptSources: string } {
    const bundle = systemBundle(env);
    // Never empty: it stands in for the image's own bundle.
    const certificates = bundle === undefined ? rootCertificates.join("\n") : readFileSync(bundle, "utf8");
    writeIfChanged(join(project, files.ca), certificates);
    writeIfChanged(join(project, files.apt), trixieSources(debianMirrors(hostAptSources())));
    writeIfChanged(join(project, files.build_env), buildEnvironment(env));
    return { aptSources: join(project, files.apt) };
}
