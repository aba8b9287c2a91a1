/** Under which addresses the platform is called: one place from which published ports, host lists, certificates and outputs follow. */

/** What decides them. */
export interface Access {
    /** Name by which clients call the gateway; undefined where there is none. */
    readonly publicHost: string | undefined;
    /** IPv4 address of the engine's host on which ports are published. */
    readonly bindAddress: string;
    /** Published port of the tracking server. */
    readonly mlflowPort: number;
    /** Published port of S3. */
    readonly minioPort: number;
    /** Published port of MinIO's console. */
    readonly consolePort: number;
    /** Whether MinIO itself serves by TLS. */
    readonly storeTls: boolean;
}

/** URLs for clients, without a slash at the end, and the names in them. */
export interface Addresses {
    readonly tracking: string;
    readonly s3: string;
    readonly console: string;
    /** Of the model server on a port. */
    readonly model: (port: number) => string;
    /** Names and addresses under which this host's ports are called; `*` stands for any characters. */
    readonly hosts: readonly string[];
    /** Origins of the web UI under these names but loopback's, likewise. */
    readonly origins: readonly string[];
}

/** As `bindAddress` it stands for every address of the host. */
export const everyAddress = "0.0.0.0";

/** An address at which this host itself reaches what is published on that one. */
export function ownAddress(bindAddress: string): string {
    return bindAddress === everyAddress ? "127.0.0.1" : bindAddress;
}

// What MLflow accepts where nothing is set (mlflow/server/security_utils.py, get_private_ip_patterns).
const privateAddresses = ["10.*", "192.168.*", ...Array.from({ length: 16 }, (_, index) => `172.${index + 16}.*`)];

/** A URL without the port that its scheme has anyhow. */
function url(scheme: "http" | "https", host: string, port: number): string {
    return new URL(`${scheme}://${host}:${port}`).origin;
}

/** The addresses of a platform. */
export function addressesOf(access: Access): Addresses {
    const { publicHost, bindAddress, mlflowPort, minioPort, consolePort, storeTls } = access;
    const host = publicHost ?? ownAddress(bindAddress);
    const scheme = publicHost === undefined ? "http" : "https";
    const storeScheme = publicHost === undefined && !storeTls ? "http" : "https";
    const bound = bindAddress !== everyAddress ? [bindAddress] : publicHost === undefined ? privateAddresses : [];
    const hosts = [...new Set([...(publicHost === undefined ? [] : [publicHost]), "localhost", "127.0.0.1", ...bound])];
    return {
        tracking: url(scheme, host, mlflowPort),
        s3: url(storeScheme, host, minioPort),
        console: url(storeScheme, host, consolePort),
        // Without a gateway it is published on loopback, whatever bindAddress is: scoring has no login.
        model: (port) => url(scheme, publicHost ?? "127.0.0.1", port),
        hosts,
        origins: hosts
            .filter((name) => !["localhost", "127.0.0.1"].includes(name))
            .map((name) =>
                // A URL cannot hold a pattern.
                url(scheme, name.replaceAll("*", "any"), mlflowPort).replaceAll("any", "*"),
            ),
    };
}

/**
 * Host headers that the tracking server accepts. A pattern without `*` must match the whole header with its port
 * (mlflow/server/security_utils.py).
 */
export function allowedHosts(hosts: readonly string[]): string {
    return hosts.flatMap((host) => (host.includes("*") ? [host] : [host, `${host}:*`])).join(",");
}
