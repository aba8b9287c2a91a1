import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
    buildEnvironment,
    buildSecrets,
    debianMirrors,
    packageSettings,
    privateAuthorities,
    trixieSources,
    writeBuildSecrets,
} from "../../components/buildSecrets.ts";
import { authorities } from "./support/certificates.ts";

const publicMirrors = { archive: "http://deb.debian.org/debian", security: "http://deb.debian.org/debian-security" };

describe("the secrets of a build", () => {
    it("have the ids of the Dockerfiles, and files relative to the project", () => {
        expect(buildSecrets).toStrictEqual([
            { id: "ca", src: "node_modules/.cache/mlflow-platform/ca.crt" },
            { id: "apt", src: "node_modules/.cache/mlflow-platform/debian.sources" },
            { id: "build_env", src: "node_modules/.cache/mlflow-platform/build.env" },
        ]);
    });

    it("cover every secret that a Dockerfile mounts", () => {
        const images = join(import.meta.dirname, "../../images");
        const mounted = readdirSync(images, { recursive: true, encoding: "utf8" })
            .filter((path) => path.endsWith("Dockerfile"))
            .flatMap((path) => [...readFileSync(join(images, path), "utf8").matchAll(/type=secret,id=(\w+)/g)])
            .map(([, id]) => id);
        expect(new Set(mounted)).toEqual(new Set(buildSecrets.map(({ id }) => id)));
    });
});

describe("the environment of a build", () => {
    const names = [
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

    it.each(names)("has %s", (name) => {
        expect(buildEnvironment({ [name]: "https://user:word@host/x?y=1&z" })).toBe(
            `export ${name}='https://user:word@host/x?y=1&z'\n`,
        );
    });

    it("has each on a line of its own", () => {
        expect(buildEnvironment({ GOPROXY: "direct", HTTP_PROXY: "http://proxy:3128" })).toBe(
            "export HTTP_PROXY=http://proxy:3128\nexport GOPROXY=direct\n",
        );
    });

    it("has nothing that is unset or empty", () => {
        expect(buildEnvironment({ GOPROXY: "", HTTP_PROXY: undefined })).toBe("");
    });

    it("has no other variable of this host", () => {
        expect(buildEnvironment({ HOME: "/root", AWS_SECRET_ACCESS_KEY: "x", PULUMI_CONFIG_PASSPHRASE: "x" })).toBe("");
    });

    it("is quoted for a shell where that would take it otherwise", () => {
        expect(buildEnvironment({ GOPROXY: "it's" })).toBe("export GOPROXY='it'\\''s'\n");
        expect(buildEnvironment({ GOPROXY: "https://a,direct" })).toBe("export GOPROXY='https://a,direct'\n");
    });

    it("is read by a shell as the very values, whatever is in them", () => {
        const value = fc.string({
            unit: fc.constantFrom(...Array.from("'\"\\$`!#&;|<>(){}*?~ \n\tä=aZ09_.:/-,@%+")),
            minLength: 1,
            maxLength: 12,
        });
        // A few runs with many values each: every run starts a shell.
        fc.assert(
            fc.property(fc.array(value, { minLength: names.length, maxLength: names.length }), (values) => {
                const env = Object.fromEntries(names.map((name, index) => [name, values[index]]));
                const script = `${buildEnvironment(env)}exec env -0`;
                const output = execFileSync("sh", ["-c", script], { env: { PATH: process.env.PATH ?? "" } });
                const read = new Map(
                    output
                        .toString()
                        .split("\0")
                        .map((line): [string, string] => [
                            line.slice(0, line.indexOf("=")),
                            line.slice(line.indexOf("=") + 1),
                        ]),
                );
                expect(names.map((name) => read.get(name))).toEqual(values);
            }),
            { numRuns: 20 },
        );
    });
});

describe("a host's Debian mirrors", () => {
    it.each<[string, string[], { archive: string; security: string }]>([
        ["none: Debian's public ones", [], publicMirrors],
        ["empty files", ["", "\n\n# nothing\n"], publicMirrors],
        [
            "deb822, as Debian's installer writes it",
            [
                "Types: deb deb-src\nURIs: http://ftp.de.debian.org/debian/\nSuites: bookworm bookworm-updates\nComponents: main\n\n" +
                    "Types: deb\nURIs: http://security.debian.org/debian-security\nSuites: bookworm-security\nComponents: main\n",
            ],
            {
                archive: "http://ftp.de.debian.org/debian/",
                security: "http://security.debian.org/debian-security",
            },
        ],
        [
            "deb822 over several files, and with keys in another order",
            [
                "Suites: trixie-security\nComponents: main\nTypes: deb\nURIs:   https://mirror.corp/debian-security\n",
                "Components: contrib main\nSuites: trixie\nTypes: deb\nURIs: https://mirror.corp/debian\n",
            ],
            { archive: "https://mirror.corp/debian", security: "https://mirror.corp/debian-security" },
        ],
        [
            "one line each",
            [
                "deb http://ftp.de.debian.org/debian bookworm main contrib\n" +
                    "deb-src http://source.debian.org/debian bookworm main\n" +
                    "deb [signed-by=/usr/share/keyrings/x.gpg arch=amd64] https://mirror.corp/debian-security bookworm-security main\n",
            ],
            { archive: "http://ftp.de.debian.org/debian", security: "https://mirror.corp/debian-security" },
        ],
        [
            "one that is commented out",
            ["# deb http://old.corp/debian bookworm main\n#URIs: http://old.corp/debian\n"],
            publicMirrors,
        ],
        [
            "a vendor's repository whose path ends like a mirror's",
            [
                "deb https://download.example.com/linux/debian bookworm stable\n",
                "Types: deb\nURIs: https://download.example.com/linux/debian\nSuites: bookworm\nComponents: stable\n",
            ],
            publicMirrors,
        ],
        [
            "a vendor's repository, which is no mirror",
            [
                "deb https://deb.nodesource.com/node_20.x nodistro main\n",
                "Types: deb\nURIs: https://apt.postgresql.org/pub/repos/apt\nSuites: bookworm-pgdg\nComponents: main\n",
            ],
            publicMirrors,
        ],
        [
            "files of the host, which a build cannot reach",
            ["deb file:///srv/debian bookworm main\ndeb cdrom:[Debian]/ bookworm main\n"],
            publicMirrors,
        ],
        [
            "only the archive",
            ["deb https://mirror.corp/debian bookworm main\n"],
            { archive: "https://mirror.corp/debian", security: publicMirrors.security },
        ],
        [
            "suites beside the release, which are no archive",
            ["deb https://mirror.corp/debian bookworm-updates main\n"],
            publicMirrors,
        ],
        [
            "two: the first one",
            ["deb https://one.corp/debian bookworm main\ndeb https://two.corp/debian bookworm main\n"],
            { archive: "https://one.corp/debian", security: publicMirrors.security },
        ],
    ])("%s", (_words, texts, mirrors) => {
        expect(debianMirrors(texts)).toEqual(mirrors);
    });

    it("become apt's sources for Debian 13", () => {
        expect(trixieSources({ archive: "http://a/debian", security: "http://s/debian-security" })).toBe(
            "Types: deb\n" +
                "URIs: http://a/debian\n" +
                "Suites: trixie trixie-updates\n" +
                "Components: main\n" +
                "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n" +
                "\n" +
                "Types: deb\n" +
                "URIs: http://s/debian-security\n" +
                "Suites: trixie-security\n" +
                "Components: main\n" +
                "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
        );
    });

    it("are found again in the sources made from them", () => {
        const host = fc.constantFrom("deb.debian.org", "mirror.corp:8080", "10.0.0.1");
        const mirrors = fc.record({
            archive: host.map((name) => `http://${name}/debian`),
            security: host.map((name) => `https://${name}/debian-security`),
        });
        fc.assert(
            fc.property(mirrors, (some) => {
                expect(debianMirrors([trixieSources(some)])).toEqual(some);
            }),
        );
    });
});

describe("a company's own authorities", () => {
    const { one, two } = authorities;
    const [first = "", second = ""] = rootCertificates;
    // Public ones as an operating system writes them: with words around them, and lines of another length.
    const rewrapped = (pem: string) => {
        const [, body = ""] = /-----BEGIN CERTIFICATE-----([\s\S]*)-----END/.exec(pem) ?? [];
        const lines = body.replace(/\s/g, "").match(/.{1,76}/g) ?? [];
        return `# public\n-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
    };
    // Its parts are no certificate.
    const unreadable = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";

    it.each<[string, string, string | undefined]>([
        ["an empty bundle", "", undefined],
        ["no bundle", "a company's own\n", undefined],
        ["public ones", `${first}\n${second}\n`, undefined],
        ["public ones, written otherwise", rewrapped(first) + rewrapped(second), undefined],
        ["every public one", rootCertificates.join("\n"), undefined],
        ["one of its own", one, one],
        ["two of its own, in their order", two + one, two + one],
        ["one among public ones", `${first}\n${one}${rewrapped(second)}# ours\n${two}`, one + two],
        ["one that cannot be read, which signs nothing", unreadable, undefined],
        ["one that cannot be read beside one of its own", unreadable + one, one],
        ["a key, which is none", "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n", undefined],
    ])("are, of %s, those that are not public", (_words, bundle, expected) => {
        expect(privateAuthorities(bundle)).toBe(expected);
    });
});

describe("how a container reaches the package index", () => {
    let directory: string;
    let bundle: string;
    beforeEach(() => {
        directory = mkdtempSync(join(tmpdir(), "mlflow-platform-"));
        bundle = join(directory, "bundle.pem");
        writeFileSync(bundle, `${rootCertificates[0] ?? ""}\n${authorities.one}`);
    });
    afterEach(() => {
        rmSync(directory, { recursive: true });
    });

    it("is how this host does, where nothing is configured", () => {
        expect(
            packageSettings(
                {
                    SSL_CERT_FILE: bundle,
                    PIP_INDEX_URL: "https://pypi.corp",
                    HTTPS_PROXY: "http://proxy:3128",
                    HOME: "/",
                },
                {},
            ),
        ).toStrictEqual({
            environment: "export HTTPS_PROXY=http://proxy:3128\nexport PIP_INDEX_URL=https://pypi.corp\n",
            authorities: authorities.one,
        });
    });

    it("is the public way where this host has nothing to say", () => {
        writeFileSync(bundle, rootCertificates[0] ?? "");
        expect(packageSettings({ SSL_CERT_FILE: bundle }, {})).toStrictEqual({
            environment: "",
            authorities: undefined,
        });
        expect(
            packageSettings({ SSL_CERT_FILE: bundle }, { indexUrl: undefined, authorities: undefined }),
        ).toStrictEqual({
            environment: "",
            authorities: undefined,
        });
    });

    it("is by the index that is configured, for pip and uv, whatever this host has; and by its proxy", () => {
        const { environment } = packageSettings(
            {
                SSL_CERT_FILE: bundle,
                HTTPS_PROXY: "http://proxy:3128",
                PIP_INDEX_URL: "https://pypi.corp",
                UV_INDEX_URL: "https://old.corp",
                UV_DEFAULT_INDEX: "https://uv.corp",
            },
            { indexUrl: "https://ana:it's@pypi.example.com/simple" },
        );
        const quoted = "'https://ana:it'\\''s@pypi.example.com/simple'";
        expect(environment).toBe(
            `export HTTPS_PROXY=http://proxy:3128\nexport PIP_INDEX_URL=${quoted}\nexport UV_DEFAULT_INDEX=${quoted}\n`,
        );
    });

    it("is by no index beside the one that is configured", () => {
        const { environment } = packageSettings(
            { SSL_CERT_FILE: bundle, PIP_EXTRA_INDEX_URL: "https://extra.corp" },
            { indexUrl: "https://pypi.example.com/simple" },
        );
        expect(environment).not.toContain("extra.corp");
    });

    it("has nothing of this host that is not about Python's packages", () => {
        const { environment } = packageSettings(
            {
                SSL_CERT_FILE: bundle,
                GOPROXY: "https://ana:hunter2@go.corp",
                GOPRIVATE: "corp",
                PIP_INDEX_URL: "https://p",
            },
            {},
        );
        expect(environment).toBe("export PIP_INDEX_URL=https://p\n");
    });

    it("is checked against the authorities that are configured, and not against this host's then", () => {
        expect(packageSettings({ SSL_CERT_FILE: bundle }, { authorities: authorities.two })).toStrictEqual({
            environment: "",
            authorities: authorities.two,
        });
    });

    it("is checked against this host's own where the index alone is configured", () => {
        expect(packageSettings({ SSL_CERT_FILE: bundle }, { indexUrl: "https://p" }).authorities).toBe(authorities.one);
    });
});

describe("writing the files", () => {
    let project: string;
    beforeEach(() => {
        project = mkdtempSync(join(tmpdir(), "mlflow-platform-"));
    });
    afterEach(() => {
        rmSync(project, { recursive: true });
    });
    const file = (name: string) => join(project, "node_modules/.cache/mlflow-platform", name);

    it("writes all that a build mounts, for their owner alone, and nothing else", () => {
        const { aptSources } = writeBuildSecrets(project, { GOPROXY: "direct" });
        expect(readdirSync(file("")).sort()).toEqual(["build.env", "ca.crt", "debian.sources"]);
        for (const name of readdirSync(file(""))) {
            expect([name, statSync(file(name)).mode & 0o777]).toEqual([name, 0o600]);
        }
        expect(readFileSync(file("build.env"), "utf8")).toBe("export GOPROXY=direct\n");
        expect(readFileSync(file("ca.crt"), "utf8")).toContain("BEGIN CERTIFICATE");
        expect(aptSources).toBe(file("debian.sources"));
        expect(readFileSync(aptSources, "utf8")).toMatch(/^Suites: trixie trixie-updates$/m);
    });

    it("takes the certificates of SSL_CERT_FILE", () => {
        const bundle = join(project, "company.pem");
        writeFileSync(bundle, "a company's own\n");
        writeBuildSecrets(project, { SSL_CERT_FILE: bundle });
        expect(readFileSync(file("ca.crt"), "utf8")).toBe("a company's own\n");
    });

    it("takes the next ones where SSL_CERT_FILE names none", () => {
        writeBuildSecrets(project, { SSL_CERT_FILE: join(project, "none.pem") });
        expect(readFileSync(file("ca.crt"), "utf8")).toContain("BEGIN CERTIFICATE");
    });

    it("leaves a file alone that has its content already, and replaces one that has not", () => {
        writeBuildSecrets(project, { GOPROXY: "direct" });
        for (const name of readdirSync(file(""))) {
            utimesSync(file(name), 1000, 1000);
        }
        writeBuildSecrets(project, { GOPROXY: "https://proxy.corp" });
        const written = readdirSync(file("")).filter((name) => statSync(file(name)).mtimeMs !== 1_000_000);
        expect(written).toEqual(["build.env"]);
        expect(readFileSync(file("build.env"), "utf8")).toBe("export GOPROXY=https://proxy.corp\n");
    });

    it("empties a file whose variables are unset again", () => {
        writeBuildSecrets(project, { GOPROXY: "direct" });
        writeBuildSecrets(project, {});
        expect(readFileSync(file("build.env"), "utf8")).toBe("");
    });
});
