/** The texts by which programs log in to a database, whoever runs it. */
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
    type Database,
    authStoreUri,
    backendStoreUri,
    databaseEnvironment,
    databaseFiles,
    maintenanceDatabase,
    pgpassLine,
    postgresUri,
} from "../../components/database.ts";
import { authorities } from "./support/certificates.ts";
import { valueOf } from "./support/recording.ts";
import { address } from "./support/texts.ts";

const example = { host: "postgres", port: 5432, database: "ml/flow", user: "a@b", password: "p:w/d?#%" };

describe("the URI of PostgreSQL", () => {
    it("has every part escaped", () => {
        expect(postgresUri(example)).toBe("postgresql://a%40b:p%3Aw%2Fd%3F%23%25@postgres:5432/ml%2Fflow");
    });

    it("says how the connection is encrypted where that is known", () => {
        expect(postgresUri({ ...example, sslMode: "verify-full" })).toBe(
            "postgresql://a%40b:p%3Aw%2Fd%3F%23%25@postgres:5432/ml%2Fflow?sslmode=verify-full",
        );
    });

    it("gives every part back to a URL parser", () => {
        const mode = fc.constantFrom(undefined, "disable", "prefer", "require", "verify-ca", "verify-full");
        fc.assert(
            fc.property(address, mode, (some, sslMode) => {
                const url = new URL(postgresUri({ ...some, sslMode }));
                expect({
                    protocol: url.protocol,
                    host: url.hostname,
                    port: Number(url.port),
                    database: decodeURIComponent(url.pathname.slice(1)),
                    user: decodeURIComponent(url.username),
                    password: decodeURIComponent(url.password),
                    rest: url.search + url.hash,
                }).toEqual({
                    protocol: "postgresql:",
                    rest: sslMode === undefined ? "" : `?sslmode=${sslMode}`,
                    ...some,
                });
            }),
        );
    });
});

describe("the URI of MLflow's store", () => {
    it("has every part escaped", () => {
        expect(backendStoreUri(example)).toBe("postgresql+psycopg2://a%40b@postgres:5432/ml%2Fflow");
    });

    it("is the same for the users' tables, in a schema of their own", () => {
        expect(authStoreUri(example)).toBe(
            "postgresql+psycopg2://a%40b@postgres:5432/ml%2Fflow?options=-csearch_path%3Dmlflow_auth",
        );
        fc.assert(
            fc.property(address, (some) => {
                const url = new URL(authStoreUri(some));
                expect([...url.searchParams]).toEqual([["options", "-csearch_path=mlflow_auth"]]);
                url.search = "";
                expect(url.href).toBe(new URL(backendStoreUri(some)).href);
            }),
        );
    });

    it("gives every part back, and has no password", () => {
        fc.assert(
            fc.property(address, (some) => {
                const url = new URL(backendStoreUri(some));
                expect({
                    host: url.hostname,
                    port: Number(url.port),
                    database: decodeURIComponent(url.pathname.slice(1)),
                    user: decodeURIComponent(url.username),
                    password: url.password,
                }).toEqual({ ...some, password: "" });
            }),
        );
    });
});

describe("a line of a password file", () => {
    it("has colons and backslashes escaped", () => {
        expect(pgpassLine(example)).toBe("postgres:5432:ml/flow:a@b:p\\:w/d?#%\n");
        expect(pgpassLine({ ...example, user: "a\\b", password: ":\\" })).toBe(
            "postgres:5432:ml/flow:a\\\\b:\\:\\\\\n",
        );
    });

    /** The fields of a line as libpq reads it: a backslash takes the next character as it is, a colon ends a field. */
    function pgpassFields(line: string): string[] {
        const fields: string[] = [];
        let field = "";
        for (let at = 0; at < line.length; at += 1) {
            if (line.charAt(at) === ":") {
                fields.push(field);
                field = "";
                continue;
            }
            if (line.charAt(at) === "\\") {
                at += 1;
            }
            field += line.charAt(at);
        }
        return [...fields, field];
    }

    it("gives every field back to a reader of password files", () => {
        fc.assert(
            fc.property(address, (some) => {
                const lines = pgpassLine(some).split("\n");
                expect(lines).toHaveLength(2);
                expect(lines[1]).toBe("");
                expect(pgpassFields(lines[0] ?? "")).toEqual([
                    some.host,
                    String(some.port),
                    some.database,
                    some.user,
                    some.password,
                ]);
            }),
        );
    });
});

describe("a database", () => {
    const owner = { user: "owner", password: pulumi.secret("o:w") };
    const server = { user: "server", password: pulumi.secret("s\\w") };
    const ours: Database = {
        host: "postgres",
        port: 5433,
        database: "tracking",
        ownerLogin: owner,
        serverLogin: server,
        authLogin: { user: "people", password: pulumi.secret("people's word") },
        ready: [],
    };
    const external: Database = { ...ours, host: "db.example.com", tls: { mode: "verify-full" } };
    const checked: Database = { ...external, tls: { mode: "verify-ca", authorities: authorities.one } };
    const uri = (user: string, host: string) => `postgresql+psycopg2://${user}@${host}:5433/tracking`;
    const pgpass = "/run/secrets/platform/pgpass";

    it.each<[string, Database, typeof owner, Record<string, string>]>([
        [
            "that runs here: without TLS, on the stack's own network",
            ours,
            server,
            { MLFLOW_BACKEND_STORE_URI: uri("server", "postgres"), PGPASSFILE: pgpass },
        ],
        [
            "that runs here, for its owner",
            ours,
            owner,
            { MLFLOW_BACKEND_STORE_URI: uri("owner", "postgres"), PGPASSFILE: pgpass },
        ],
        [
            "of somebody else, checked against the image's public authorities",
            external,
            server,
            {
                MLFLOW_BACKEND_STORE_URI: uri("server", "db.example.com"),
                PGPASSFILE: pgpass,
                PGSSLMODE: "verify-full",
                PGSSLROOTCERT: "/etc/ssl/certs/ca-certificates.crt",
            },
        ],
        [
            "of somebody else, checked against an authority of its own",
            checked,
            owner,
            {
                MLFLOW_BACKEND_STORE_URI: uri("owner", "db.example.com"),
                PGPASSFILE: pgpass,
                PGSSLMODE: "verify-ca",
                PGSSLROOTCERT: "/run/secrets/platform/pg_ca",
            },
        ],
    ])("%s", (_words, database, login, environment) => {
        expect(databaseEnvironment(database, login)).toEqual(environment);
    });

    it.each(["disable", "prefer", "require"])(
        "with sslmode %s has no file of authorities, against which libpq would check in that mode as well",
        (mode) => {
            for (const tls of [{ mode }, { mode, authorities: authorities.one }]) {
                expect(databaseEnvironment({ ...external, tls }, server)).toEqual({
                    MLFLOW_BACKEND_STORE_URI: uri("server", "db.example.com"),
                    PGPASSFILE: pgpass,
                    PGSSLMODE: mode,
                });
            }
        },
    );

    const filesOf = async (files: Record<string, pulumi.Input<string>>) =>
        Object.fromEntries(
            await Promise.all(
                Object.entries(files).map(async ([file, content]) => {
                    const output = pulumi.output(content);
                    return [file, [await valueOf(output), await pulumi.isSecret(output)]] as const;
                }),
            ),
        );

    it("has one line for a login, a secret", async () => {
        expect(await filesOf(databaseFiles(ours, { login: server, to: "tracking" }))).toEqual({
            pgpass: ["postgres:5433:tracking:server:s\\\\w\n", true],
        });
    });

    it("has a line for each login and database, in their order, and its authorities beside them", async () => {
        expect(
            await filesOf(
                databaseFiles(
                    checked,
                    { login: owner, to: "tracking" },
                    { login: owner, to: maintenanceDatabase },
                    { login: server, to: "tracking" },
                ),
            ),
        ).toEqual({
            pgpass: [
                "db.example.com:5433:tracking:owner:o\\:w\n" +
                    "db.example.com:5433:postgres:owner:o\\:w\n" +
                    "db.example.com:5433:tracking:server:s\\\\w\n",
                true,
            ],
            pg_ca: [authorities.one, false],
        });
    });

    it("has no file for authorities that the image has", async () => {
        expect(Object.keys(await filesOf(databaseFiles(external, { login: server, to: "tracking" })))).toEqual([
            "pgpass",
        ]);
    });
});
