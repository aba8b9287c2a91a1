import { isIP } from "node:net";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { KeyPairOutput } from "./certificateAuthority.ts";
import { type CertificatePolicy, type Site, gatewayConfiguration, tokenFile } from "./gatewayConfiguration.ts";
import { hardenedService } from "./hardened.ts";
import type { Labels } from "./labels.ts";
import { SecretFiles } from "./secretFiles.ts";

/** The user of images/gateway. */
const owner = { uid: 1000, gid: 1000 };

/** Where the certificate of the gateway comes from. */
export type GatewayCertificate =
    /** Made elsewhere. */
    | { readonly kind: "given"; readonly certificate: string; readonly privateKey: pulumi.Input<string> }
    /** Signed by the stack's own authority, and renewed by the gateway itself. */
    | { readonly kind: "internal"; readonly authority: KeyPairOutput }
    /** By ACME, and renewed by the gateway itself. */
    | {
          readonly kind: "acme";
          readonly email: string;
          /** Defaults to Let's Encrypt. */
          readonly directory?: string | undefined;
          /** Authorities, in PEM form, of the ACME server's own certificate. Defaults to the public ones. */
          readonly authorities?: string | undefined;
      };

/** A model server behind the gateway. */
export interface GatewayModelServer {
    /** Network of its own, on which the gateway calls it. */
    readonly networkId: pulumi.Input<string>;
    /** Its site. */
    readonly site: Site & { readonly name: `model-${string}` };
    /** Bearer token that callers need, a secret. */
    readonly token: pulumi.Input<string>;
}

/** Arguments of `Gateway`. */
export interface GatewayArgs {
    /** Image built from images/gateway, or one that keeps its contract. */
    image: pulumi.Input<string>;
    /** Image built from images/seed. */
    seedImage: pulumi.Input<string>;
    /** Network to join. */
    networkId: pulumi.Input<string>;
    /** Volume of what it is to keep: ACME's account, certificates that it got. */
    dataVolume: pulumi.Input<string>;
    /** Name or IPv4 address by which clients call it. */
    publicHost: string;
    /** Further names and addresses that it answers to. */
    otherHosts: readonly string[];
    /** What it stands before. */
    sites: readonly Site[];
    /** The model servers, each on a port of its own too. */
    modelServers: readonly GatewayModelServer[];
    /** The containers that would publish the same ports without it, and whatever they are replaced with. */
    behind: readonly pulumi.Resource[];
    /** Port that redirects plain HTTP to https; undefined is none. */
    httpPort: number | undefined;
    certificate: GatewayCertificate;
    /** Authorities, in PEM form, of upstreams by https. */
    upstreamAuthorities: pulumi.Input<string> | undefined;
    /** Address on which the ports are published. */
    bindAddress: string;
    /** Memory limit in MiB. */
    memory: number;
    /** CPU limit. */
    cpus: number;
    /** Seconds an update waits for it to be healthy. */
    waitSeconds: number;
    /** Labels of all it makes. */
    labels: Labels;
}

/** The files of a certificate. */
function certificateFiles(certificate: GatewayCertificate): Record<string, pulumi.Input<string>> {
    switch (certificate.kind) {
        case "given":
            return { tls_certificate: certificate.certificate, tls_private_key: certificate.privateKey };
        case "internal":
            return {
                ca_certificate: certificate.authority.certificate,
                ca_private_key: certificate.authority.privateKey,
            };
        case "acme":
            return certificate.authorities === undefined ? {} : { acme_ca: certificate.authorities };
    }
}

/** The same for the configuration. */
function certificatePolicy(certificate: GatewayCertificate): CertificatePolicy {
    if (certificate.kind !== "acme") {
        return certificate.kind === "given" ? { kind: "given" } : { kind: "internal" };
    }
    return {
        kind: "acme",
        email: certificate.email,
        ...(certificate.directory === undefined ? {} : { directory: certificate.directory }),
        privateRoots: certificate.authorities !== undefined,
    };
}

/**
 * The way in by TLS: one certificate for the tracking server, S3 and MinIO's console, each on the port that it would be
 * published on itself. On the network it answers to `publicHost` on the same ports, so URLs are the same inside and outside.
 */
export class Gateway extends pulumi.ComponentResource {
    /** True once it is healthy: it has its certificate. */
    public readonly started: pulumi.Output<boolean>;

    constructor(name: string, args: GatewayArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:Gateway", name, {}, opts);
        const { seedImage, labels, publicHost, httpPort, certificate, upstreamAuthorities, modelServers } = args;
        const sites = [...args.sites, ...modelServers.map(({ site }) => site)];
        const configuration = gatewayConfiguration({
            publicHost,
            otherHosts: args.otherHosts,
            sites,
            httpPort,
            policy: certificatePolicy(certificate),
            upstreamAuthorities: upstreamAuthorities !== undefined,
        });
        const secretFiles = new SecretFiles(
            `${name}-secrets`,
            {
                seedImage,
                owner,
                labels,
                files: {
                    "caddy.json": JSON.stringify(configuration, undefined, 2),
                    ...certificateFiles(certificate),
                    ...Object.fromEntries(modelServers.map(({ site, token }) => [tokenFile(site.name), token])),
                    ...(upstreamAuthorities === undefined ? {} : { s3_ca: upstreamAuthorities }),
                },
            },
            { parent: this },
        );
        const ports = [...sites.map(({ port }) => port), ...(httpPort === undefined ? [] : [httpPort])];
        const isName = isIP(publicHost) === 0 && publicHost !== "localhost";
        const service = hardenedService({
            image: args.image,
            labels,
            owner,
            environment: { PUBLIC_HOST: publicHost, PUBLIC_PORT: String(sites[0]?.port ?? "") },
            mounts: [{ source: args.dataVolume, path: "/data" }, secretFiles.mount],
            tmpfs: { "/tmp": "rw,noexec,nosuid,nodev,size=16m" },
            network: {
                id: args.networkId,
                aliases: [name, ...(isName ? [publicHost] : [])],
                others: modelServers.map(({ networkId }) => ({ id: networkId, aliases: [] })),
            },
            memory: args.memory,
            cpus: args.cpus,
            ports: ports.map((port) => ({ internal: port, external: port, address: args.bindAddress })),
            health: { command: ["/usr/local/bin/healthy"], interval: 3, timeout: 5 },
            waitSeconds: args.waitSeconds,
            stopSeconds: 30,
        });
        const container = new docker.Container(name, service.args, {
            ...service.options,
            // Whoever publishes a port has to let it go before the other takes it: it starts after what is behind it, and is
            // deleted before that is replaced, also for good. `replaceWith` does not follow chains (findResourcesReplacedWith
            // in pulumi/pkg/resource/deploy), so the causes are named as well.
            dependsOn: [...secretFiles.consumerOptions.dependsOn, ...args.behind],
            replaceWith: [...secretFiles.consumerOptions.replaceWith, ...args.behind],
            parent: this,
        });
        this.started = container.id.apply(() => true);
        this.registerOutputs({});
    }
}
