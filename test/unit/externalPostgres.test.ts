/** A PostgreSQL that somebody else runs: what is said of it, and what MLflow makes of it. */
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { ExternalPostgres, type ExternalPostgresArgs } from "../../components/externalPostgres.ts";
import { Mlflow, type MlflowArgs } from "../../components/mlflow.ts";
import { authorities } from "./support/certificates.ts";
import { filesOf, mlflowArgs, secretsMount, tree } from "./support/containers.ts";
import { record, secret, valueOf, withFailures } from "./support/recording.ts";

const args: ExternalPostgresArgs = {
    host: "db.example.com",
    port: 6432,
    database: "tracking",
    ownerLogin: { user: "owner", password: pulumi.secret("owner's word") },
    serverLogin: { user: "server", password: pulumi.secret("p:w/d") },
    authLogin: { user: "people", password: pulumi.secret("people's word") },
    tls: { mode: "verify-full" },
    waitSeconds: 240,
};

describe("an external PostgreSQL", () => {
    const make = (more: Partial<ExternalPostgresArgs> = {}) =>
        record(() => new ExternalPostgres("postgres", { ...args, ...more }));

    it("makes nothing on the engine", async () => {
        const { registrations } = await make();
        expect(registrations.map(({ key, type, parent }) => [key, type, parent])).toEqual([
            ["mlflow-platform:ExternalPostgres postgres", "mlflow-platform:index:ExternalPostgres", undefined],
        ]);
    });

    it("says where it is, who may log in, and how long the migration waits for it", async () => {
        const { result } = await make();
        expect(result.database).toStrictEqual({
            host: "db.example.com",
            port: 6432,
            database: "tracking",
            ownerLogin: args.ownerLogin,
            serverLogin: args.serverLogin,
            authLogin: args.authLogin,
            tls: { mode: "verify-full" },
            prepareSeconds: 240,
            ready: [],
        });
        expect(result.data).toBeUndefined();
    });

    it.each(["disable", "prefer", "require", "verify-ca", "verify-full"])(
        "gives the server's URI with sslmode %s, as a secret",
        async (mode) => {
            const { result } = await make({ tls: { mode, authorities: authorities.one } });
            expect(await valueOf(result.uri)).toBe(
                `postgresql://server:p%3Aw%2Fd@db.example.com:6432/tracking?sslmode=${mode}`,
            );
            expect(await pulumi.isSecret(result.uri)).toBe(true);
        },
    );

    it("gives a secret URI even where nobody marked the password", async () => {
        const { result } = await make({ serverLogin: { user: "server", password: "plain" } });
        expect(await pulumi.isSecret(result.uri)).toBe(true);
    });

    it("does not warn where one role migrates and another serves", async () => {
        expect((await make()).warnings).toEqual([]);
    });

    it("takes the server's role for the users' tables where there is no other, without a word", async () => {
        const { result, warnings } = await make({ authLogin: undefined });
        expect(result.database.authLogin).toBe(args.serverLogin);
        expect(warnings).toEqual([]);
    });

    it("warns where one role does both, and takes the server's for the owner", async () => {
        const { result, warnings } = await make({ ownerLogin: undefined });
        expect(warnings).toEqual([
            "mlflow-platform:ExternalPostgres postgres: rights are not split: server migrates the tables of database tracking " +
                "and is the server's role as well, so a flaw in the server could drop them. Set pgOwnerUser and pgOwnerPassword " +
                "to another role.",
        ]);
        expect(result.database.ownerLogin).toBe(args.serverLogin);
    });
});

describe("MLflow with an external PostgreSQL", () => {
    const make = (more: Partial<ExternalPostgresArgs> = {}, outputs = {}, others: Partial<MlflowArgs> = {}) =>
        record(
            () =>
                new Mlflow("mlflow", {
                    ...mlflowArgs,
                    ...others,
                    database: new ExternalPostgres("postgres", { ...args, ...more }).database,
                    store: {
                        endpoint: "http://minio:9000",
                        region: "us-east-1",
                        bucketName: "artifacts",
                        accessKey: { id: "key's id", secret: "key's word" },
                        ready: [],
                    },
                }),
            { outputs },
        );
    const envs = ({ get }: Awaited<ReturnType<typeof make>>, name: string) =>
        get(`docker:Container ${name}`).inputs.envs as string[];
    const checked = { tls: { mode: "verify-ca", authorities: authorities.two } };

    it("registers the same as with its own", async () => {
        expect(tree(await make())).toEqual([
            "docker:Container mlflow < mlflow-platform:Mlflow mlflow",
            "docker:Container mlflow-migrate < mlflow-platform:Job mlflow-migrate",
            "docker:Container mlflow-migrate-secrets-seed < mlflow-platform:SecretFiles mlflow-migrate-secrets",
            "docker:Container mlflow-secrets-seed < mlflow-platform:SecretFiles mlflow-secrets",
            "docker:Volume mlflow-migrate-secrets < mlflow-platform:SecretFiles mlflow-migrate-secrets",
            "docker:Volume mlflow-secrets < mlflow-platform:SecretFiles mlflow-secrets",
            "docker:Volume mlflow-transfers < mlflow-platform:Mlflow mlflow",
            "mlflow-platform:ExternalPostgres postgres < stack",
            "mlflow-platform:Job mlflow-migrate < mlflow-platform:Mlflow mlflow",
            "mlflow-platform:Mlflow mlflow < stack",
            "mlflow-platform:SecretFiles mlflow-migrate-secrets < mlflow-platform:Mlflow mlflow",
            "mlflow-platform:SecretFiles mlflow-secrets < mlflow-platform:Mlflow mlflow",
        ]);
    });

    it("migrates it with all that may be needed to make the database and the server's rights", async () => {
        const recording = await make();
        expect(envs(recording, "mlflow-migrate")).toEqual([
            "LOGIN=false",
            "MAINTENANCE_DATABASE=postgres",
            "MLFLOW_BACKEND_STORE_URI=postgresql+psycopg2://owner@db.example.com:6432/tracking",
            "PGPASSFILE=/run/secrets/platform/pgpass",
            "PGSSLMODE=verify-full",
            "PGSSLROOTCERT=/etc/ssl/certs/ca-certificates.crt",
            "SERVER_USER=server",
            "TIMEOUT=240",
            "TMPDIR=/tmp",
        ]);
        expect(filesOf(recording, "mlflow-migrate-secrets-seed").files).toStrictEqual({
            "/run/secrets/platform/pgpass": secret(
                "db.example.com:6432:tracking:owner:owner's word\n" +
                    "db.example.com:6432:postgres:owner:owner's word\n" +
                    "db.example.com:6432:tracking:server:p\\:w/d\n",
            ),
        });
        expect(recording.get("docker:Container mlflow-migrate").inputs).not.toHaveProperty("hosts");
        expect(recording.get("docker:Container mlflow-migrate").inputs.volumes).toEqual([
            secretsMount("mlflow-migrate-secrets"),
        ]);
    });

    const login = {
        adminUsername: "chief",
        adminPassword: pulumi.secret("chief's word"),
        defaultPermission: "READ",
        flaskSecretKey: pulumi.secret("flask's word"),
    };
    const at = "db.example.com:6432";

    it("has a role for the users' tables, which the migration tries and the server has, where there is login", async () => {
        const recording = await make({}, {}, { login });
        expect(envs(recording, "mlflow-migrate")).toEqual(
            expect.arrayContaining(["ADMIN_USERNAME=chief", "AUTH_USER=people", "LOGIN=true", "SERVER_USER=server"]),
        );
        expect(envs(recording, "mlflow")).toContain(
            `AUTH_STORE_URI=postgresql+psycopg2://people@${at}/tracking?options=-csearch_path%3Dmlflow_auth`,
        );
        expect(filesOf(recording, "mlflow-migrate-secrets-seed").files).toStrictEqual({
            "/run/secrets/platform/pgpass": secret(
                `${at}:tracking:owner:owner's word\n${at}:postgres:owner:owner's word\n` +
                    `${at}:tracking:server:p\\:w/d\n${at}:tracking:people:people's word\n`,
            ),
            "/run/secrets/platform/admin_password": secret("chief's word"),
        });
        expect(filesOf(recording, "mlflow-secrets-seed").files).toMatchObject({
            "/run/secrets/platform/pgpass": secret(
                `${at}:tracking:server:p\\:w/d\n${at}:tracking:people:people's word\n`,
            ),
        });
    });

    it("has one role for all of it where there is no other, each login once", async () => {
        const recording = await make({ ownerLogin: undefined, authLogin: undefined }, {}, { login });
        expect(envs(recording, "mlflow-migrate")).toEqual(
            expect.arrayContaining(["AUTH_USER=server", "SERVER_USER=server"]),
        );
        expect(filesOf(recording, "mlflow-migrate-secrets-seed").files).toMatchObject({
            "/run/secrets/platform/pgpass": secret(`${at}:tracking:server:p\\:w/d\n${at}:postgres:server:p\\:w/d\n`),
        });
        expect(filesOf(recording, "mlflow-secrets-seed").files).toMatchObject({
            "/run/secrets/platform/pgpass": secret(`${at}:tracking:server:p\\:w/d\n`),
        });
    });

    it("serves with the server's login alone", async () => {
        const recording = await make();
        expect(
            envs(recording, "mlflow").filter((line) => /^(PG|MLFLOW_BACKEND|TIMEOUT|SERVER|MAINT)/.test(line)),
        ).toEqual([
            "MLFLOW_BACKEND_STORE_URI=postgresql+psycopg2://server@db.example.com:6432/tracking",
            "PGPASSFILE=/run/secrets/platform/pgpass",
            "PGSSLMODE=verify-full",
            "PGSSLROOTCERT=/etc/ssl/certs/ca-certificates.crt",
        ]);
        expect(filesOf(recording, "mlflow-secrets-seed").files).toMatchObject({
            "/run/secrets/platform/pgpass": secret("db.example.com:6432:tracking:server:p\\:w/d\n"),
        });
        expect(recording.get("docker:Container mlflow").inputs).not.toHaveProperty("hosts");
    });

    it("checks its certificate against the authority that is given, in the migration and in the server", async () => {
        const recording = await make(checked);
        for (const name of ["mlflow", "mlflow-migrate"]) {
            expect(envs(recording, name).filter((line) => line.startsWith("PGSSL"))).toEqual([
                "PGSSLMODE=verify-ca",
                "PGSSLROOTCERT=/run/secrets/platform/pg_ca",
            ]);
            expect(filesOf(recording, `${name}-secrets-seed`)).toMatchObject({
                owner: ["1000:1000"],
                files: { "/run/secrets/platform/pg_ca": secret(authorities.two) },
            });
            // Another list of files is another volume.
            const labelsOfVolume = recording.get(`docker:Volume ${name}-secrets`).inputs.labels as { value: string }[];
            expect(labelsOfVolume.at(-1)?.value.split(" ")).toContain("pg_ca");
        }
    });

    it.each(["disable", "prefer", "require"])("asks for sslmode %s in both, and has nothing checked", async (mode) => {
        const recording = await make({ tls: { mode } });
        for (const name of ["mlflow", "mlflow-migrate"]) {
            expect(envs(recording, name).filter((line) => line.startsWith("PGSSL"))).toEqual([`PGSSLMODE=${mode}`]);
        }
    });

    it("has one role do both where there is no other", async () => {
        const recording = await make({ ownerLogin: undefined });
        const uri = "MLFLOW_BACKEND_STORE_URI=postgresql+psycopg2://server@db.example.com:6432/tracking";
        expect(envs(recording, "mlflow-migrate")).toEqual(expect.arrayContaining([uri, "SERVER_USER=server"]));
        expect(envs(recording, "mlflow")).toContain(uri);
        const { files } = filesOf(recording, "mlflow-migrate-secrets-seed");
        const { value } = files["/run/secrets/platform/pgpass"] as { value: string };
        expect(new Set(value.trimEnd().split("\n"))).toEqual(
            new Set(["db.example.com:6432:tracking:server:p\\:w/d", "db.example.com:6432:postgres:server:p\\:w/d"]),
        );
    });

    it.each(["host.docker.internal", "Host.Docker.Internal"])(
        "finds it on the engine's host, in the migration and in the server: %s",
        async (host) => {
            const { get } = await make({ host });
            const hosts = [{ host: "host.docker.internal", ip: "host-gateway" }];
            expect(get("docker:Container mlflow").inputs.hosts).toEqual(hosts);
            expect(get("docker:Container mlflow-migrate").inputs.hosts).toEqual(hosts);
        },
    );

    it("shows no password where the migration fails", async () => {
        const containerLogs = "FATAL: server:p%3Aw%2Fd, p\\:w/d, owner's word, people's word";
        const { result } = await withFailures(() =>
            make({}, { "docker:Container mlflow-migrate": { exitCode: 78, containerLogs } }),
        );
        await expect(valueOf(result.result.migrated)).rejects.toThrow(
            "job mlflow-migrate ended with exit code 78; it runs again with the next update. Its output:\n" +
                "FATAL: server:[secret], [secret], [secret], [secret]",
        );
    });
});
