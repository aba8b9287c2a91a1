/** Files of a client's environment: what readers of .env files make of them, and what is written over. */
import {
    chmodSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    readdirSync,
    rmSync,
    statSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "dotenv";
import { expand } from "dotenv-expand";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { clientEnvironment } from "../../../components/clientEnvironment.ts";
import { clientText, dotenvLine, isOwn, withCertificates, writeClientFile } from "../../../operations/clientFile.ts";
import { clientScript } from "../../../operations/clientScript.ts";
import { authorities } from "../support/certificates.ts";
import { text } from "../support/texts.ts";

const uri = "https://ml.example.com:8443";
const access = { trackingUri: uri, authority: authorities.one, presigned: true, storeAuthorities: undefined };
const environment = clientEnvironment(access);

/** As Compose reads it: variables are put in where the file does not forbid it. */
const read = (content: string) => expand({ parsed: parse(content), processEnv: {} }).parsed;

describe("a line of a .env file", () => {
    it.each([
        "",
        "http://127.0.0.1:5000",
        "/a b/c.pem",
        "$HOME",
        "a#b # c",
        '"quoted"',
        "a=b",
        " spaces ",
        "two\nlines",
        "`id`",
        "é",
    ])("gives %j back as it is", (value) => {
        expect(parse(dotenvLine("NAME", value))).toEqual({ NAME: value });
    });

    it("is refused for what readers would not read alike", () => {
        for (const value of ["it's", "a\\b", "${HOME}", "a\r\nb"]) {
            expect(() => dotenvLine("NAME", value)).toThrow(/cannot be written in a \.env file/);
        }
    });

    it("gives any value back that it does not refuse", () => {
        fc.assert(
            fc.property(text, (value) => {
                let line: string;
                try {
                    line = dotenvLine("NAME", value);
                } catch {
                    expect(value).toMatch(/['\\\r]|\$\{/);
                    return;
                }
                expect(parse(`A=1\n${line}\nB=2\n`)).toEqual({ A: "1", NAME: value, B: "2" });
            }),
        );
    });
});

describe("the text", () => {
    it("has every variable of the output, certificates included, in both formats", () => {
        expect(read(clientText("dotenv", environment))).toEqual(environment);
        expect(JSON.parse(clientText("json", environment))).toEqual(environment);
    });
});

describe("the file", () => {
    let directory: string;
    let out: string;
    beforeEach(() => {
        directory = mkdtempSync(join(tmpdir(), "client-"));
        out = join(directory, ".env");
    });
    afterEach(() => {
        rmSync(directory, { recursive: true });
    });
    const script = clientScript(environment);
    const write = (format: "shell" | "dotenv" | "json" = "dotenv", force = false) =>
        writeClientFile(format, environment, script, out, force);

    it("names the certificates beside it, which hold the authority, with the public ones where requests reads them", () => {
        const own = join(directory, "ml.example.com-8443.pem");
        const bundle = join(directory, "ml.example.com-8443-bundle.pem");
        expect(write()).toEqual([out, own, bundle]);
        expect(read(readFileSync(out, "utf8"))).toEqual({
            MLFLOW_TRACKING_URI: uri,
            MLFLOW_TRACKING_SERVER_CERT_PATH: own,
            REQUESTS_CA_BUNDLE: bundle,
        });
        expect(readFileSync(own, "utf8")).toBe(authorities.one);
        expect(readFileSync(bundle, "utf8")).toMatch(
            /^-----BEGIN CERTIFICATE-----\n[^]+\n-----END CERTIFICATE-----\n$/,
        );
        expect(readFileSync(bundle, "utf8").split("BEGIN CERTIFICATE").length).toBeGreaterThan(50);
        expect(readFileSync(bundle, "utf8").endsWith(authorities.one)).toBe(true);
    });

    it("names none where nothing is to be trusted", () => {
        const plain = clientEnvironment({ ...access, authority: undefined, presigned: false });
        expect(withCertificates(plain, "/x")).toEqual({ variables: plain, certificates: {} });
    });

    it("is for its user alone, whatever was there and whatever the umask", () => {
        const umask = process.umask(0);
        try {
            write();
            chmodSync(out, 0o644);
            write();
        } finally {
            process.umask(umask);
        }
        expect(statSync(out).mode & 0o777).toBe(0o600);
        expect(readdirSync(directory).filter((name) => name.startsWith(".") && name !== ".env")).toEqual([]);
    });

    it.each(["shell", "dotenv", "json"] as const)(
        "in format %s is written over by the next, in any format",
        (format) => {
            write(format);
            expect(isOwn(readFileSync(out, "utf8"))).toBe(true);
            write("dotenv");
            write(format);
        },
    );

    it.each(["", "SECRET=1\n", "{}", '{"MLFLOW_TRACKING_URI":"x","DATABASE":"y"}', "[1]", "null"])(
        "is not written over %j, which is somebody's, without --force",
        (content) => {
            writeFileSync(out, content);
            expect(() => write()).toThrow(`${out} is there, and was not written by this command.`);
            expect(readFileSync(out, "utf8")).toBe(content);
            expect(readdirSync(directory)).toEqual([".env"]);
            write("dotenv", true);
            expect(read(readFileSync(out, "utf8"))).toMatchObject({ MLFLOW_TRACKING_URI: uri });
        },
    );

    it("is not written through a link, over a directory, or where there is none", () => {
        const other = join(directory, "other");
        writeFileSync(other, "mine");
        symlinkSync(other, out);
        expect(() => write()).toThrow(/was not written by this command/);
        write("dotenv", true);
        expect(readFileSync(other, "utf8")).toBe("mine");
        rmSync(out);
        mkdirSync(out);
        expect(() => write("dotenv", true)).toThrow(`${out} is a directory.`);
        expect(() => writeClientFile("json", environment, script, join(directory, "no/where"), true)).toThrow(
            `There is no directory ${join(directory, "no")}.`,
        );
    });
});
