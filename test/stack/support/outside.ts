/** Somebody else's PostgreSQL and S3 store, as plain containers that no stack knows, published on the engine's gateway. */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { issueCertificate, makeAuthority } from "../../../components/certificates.ts";
import { bridgeGateway, docker } from "./engine.ts";
import { type MinioClient, minioClient } from "./minioClient.ts";
import { freePorts } from "./platforms.ts";

/** How containers call the engine's host. */
export const gatewayName = "host.docker.internal";

/** A server's certificate and the authority that signed it, in PEM form; and an authority that did not. */
export interface Certificates {
    readonly authority: string;
    readonly other: string;
    readonly certificate: string;
    readonly key: string;
}

/** Makes certificates for a server of that name. */
export async function certificates(name: string = gatewayName): Promise<Certificates> {
    const now = new Date();
    const [authority, other] = await Promise.all([makeAuthority("test", now), makeAuthority("another", now)]);
    const { certificate, privateKey } = await issueCertificate(authority, [name], now);
    return { authority: authority.certificate, other: other.certificate, certificate, key: privateKey };
}

/** A service outside, by the name of its container. */
export interface Outside {
    readonly name: string;
    readonly port: number;
    /** Runs a command in it. */
    readonly exec: (...command: string[]) => Promise<string>;
    readonly remove: () => Promise<void>;
}

async function run(
    image: string,
    internalPort: number,
    script: string,
    environment: Readonly<Record<string, string>>,
    ready: (outside: Outside) => Promise<unknown>,
): Promise<Outside> {
    const name = `outside-${randomBytes(3).toString("hex")}`;
    const [port = 0] = await freePorts(1);
    const gateway = await bridgeGateway();
    await docker(
        "run",
        "--detach",
        "--name",
        name,
        "--publish",
        `${gateway}:${port}:${internalPort}`,
        ...Object.entries(environment).flatMap(([variable, value]) => ["--env", `${variable}=${value}`]),
        "--no-healthcheck",
        "--entrypoint",
        "bash",
        image,
        "-euc",
        script,
    );
    const outside: Outside = {
        name,
        port,
        exec: (...command) => docker("exec", name, ...command),
        remove: async () => {
            await docker("rm", "--force", "--volumes", name);
        },
    };
    for (let attempt = 0; ; attempt += 1) {
        try {
            await ready(outside);
            return outside;
        } catch (error) {
            if (attempt === 60) {
                await outside.remove();
                throw error;
            }
            await sleep(500);
        }
    }
}

/** A plain PostgreSQL with a superuser only; with certificates it takes nothing but TLS. */
export function outsidePostgres(image: string, tls?: Certificates): Promise<Outside> {
    const script = `
        initdb --pgdata=/tmp/data --username=postgres --auth-local=trust --auth-host=reject >/dev/null
        settings=(-c listen_addresses='*' -c unix_socket_directories=/tmp)
        if [ -n "$KEY" ]; then
          printf %s "$CERTIFICATE" >/tmp/certificate; (umask 077; printf %s "$KEY" >/tmp/key)
          settings+=(-c ssl=on -c ssl_cert_file=/tmp/certificate -c ssl_key_file=/tmp/key)
        fi
        printf 'local all all trust\\n%s all all all scram-sha-256\\n' "$KIND" >/tmp/data/pg_hba.conf
        exec postgres -D /tmp/data "\${settings[@]}"`;
    const environment = {
        CERTIFICATE: tls?.certificate ?? "",
        KEY: tls?.key ?? "",
        KIND: tls === undefined ? "host" : "hostssl",
    };
    return run(image, 5432, script, environment, ({ exec }) =>
        exec("psql", "--host=/tmp", "--username=postgres", "--command=select 1"),
    );
}

/** Runs SQL as the superuser of an outside PostgreSQL; returns the rows. */
export async function outsideSql({ exec }: Outside, statement: string, database = "postgres"): Promise<string[]> {
    const options = ["--no-psqlrc", "--tuples-only", "--no-align", "--host=/tmp", "--username=postgres"];
    const output = await exec(
        "psql",
        ...options,
        "--set=ON_ERROR_STOP=1",
        `--dbname=${database}`,
        "--command",
        statement,
    );
    return output.split("\n").filter((line) => line !== "");
}

/** A MinIO outside, with a client beside it. */
export interface OutsideMinio extends Outside {
    readonly client: MinioClient;
    /** Runs a command of `mc`, which knows the server as `root`. */
    readonly mc: (...command: string[]) => Promise<string>;
}

/** A plain MinIO with its root user `outside`; with certificates it takes nothing but TLS. */
export async function outsideMinio(image: string, password: string, tls?: Certificates): Promise<OutsideMinio> {
    const script = `
        mkdir -p /tmp/data /tmp/certs
        if [ -n "$KEY" ]; then
          printf %s "$CERTIFICATE" >/tmp/certs/public.crt; printf %s "$KEY" >/tmp/certs/private.key
        fi
        exec minio server --certs-dir /tmp/certs /tmp/data`;
    const scheme = tls === undefined ? "http" : "https";
    const environment = {
        CERTIFICATE: tls?.certificate ?? "",
        KEY: tls?.key ?? "",
        MINIO_ROOT_USER: "outside",
        MINIO_ROOT_PASSWORD: password,
    };
    const root = `${scheme}://outside:${encodeURIComponent(password)}@127.0.0.1:9000`;
    const server = await run(image, 9000, script, environment, ({ exec }) => exec("/usr/local/bin/healthy"));
    const client = await minioClient(`container:${server.name}`, { root });
    return {
        ...server,
        client,
        mc: (...command) => client.exec("mc", "--insecure", ...command),
        remove: async () => {
            await client.remove();
            await server.remove();
        },
    };
}

/** Makes or changes a user of an outside MinIO who may do these actions on one bucket, and nothing else. */
export async function outsideUser(
    { client, mc }: OutsideMinio,
    key: string,
    secret: string,
    bucket: string,
    actions: readonly string[],
): Promise<void> {
    const policy = {
        Version: "2012-10-17",
        Statement: [
            { Effect: "Allow", Action: actions, Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`] },
        ],
    };
    await execa("docker", ["exec", "--interactive", client.name, "bash", "-c", "cat >/tmp/policy.json"], {
        input: JSON.stringify(policy),
    });
    await mc("admin", "user", "add", "root", key, secret);
    await mc("admin", "policy", "create", "root", "limited", "/tmp/policy.json");
    // Attached already after the first time.
    await mc("admin", "policy", "attach", "root", "limited", "--user", key).catch(() => undefined);
}
