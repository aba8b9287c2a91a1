/** What a user wants of a new stack, and the settings that it comes to: pure functions. */
import { isIPv4 } from "node:net";
import { type Configuration, gatewayKeys, keys, parseConfiguration, portOf, publishedPorts } from "../../config.ts";
import { addressOf } from "./importDecisions.ts";
import { asTexts } from "./stackFile.ts";

/** Ports that a stack publishes: of MLflow, S3 and MinIO's console. */
export type Ports = readonly [string, string, string];

/** What is wanted; what is undefined is as the base has it. */
export interface Wishes {
    /** `laptop`: whoever is on this machine. `team`: others over the network, by TLS and with a login. */
    readonly audience: "laptop" | "team";
    readonly login: boolean;
    readonly publicHost?: string | undefined;
    readonly bindAddress?: string | undefined;
    /** `own`: of the stack's authority. `acme`: of Let's Encrypt. `given`: of a file. */
    readonly certificate?: "own" | "acme" | "given" | undefined;
    readonly tlsEmail?: string | undefined;
    readonly tlsCertificateFile?: string | undefined;
    /** Somebody else's PostgreSQL, `host` or `host:port`; the empty string: one runs here. */
    readonly pgHost?: string | undefined;
    /** Somebody else's S3 store, `host`, `host:port` or a URL; the empty string: one runs here. */
    readonly minioHost?: string | undefined;
    readonly ports?: Ports | undefined;
    /** Any other key in plain text; the empty string takes it out of what the base has. */
    readonly others: Readonly<Record<string, string>>;
}

const certificateKeys = ["tlsCertificateFile", "tlsEmail", "tlsAcmeDirectory", "tlsAcmeCaFile"];

function without(settings: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
    return Object.fromEntries(Object.entries(settings).filter(([name]) => !names.includes(name)));
}

/** Keys that put an address of somebody else's service into a configuration. */
function addressSettings(address: string, host: string, port: string): Record<string, string> {
    const found = addressOf(address);
    // What is no address config.ts refuses with its words.
    return found === undefined
        ? { [host]: address }
        : { [host]: found.host, ...(found.port === undefined ? {} : { [port]: found.port }) };
}

function storeSettings(address: string): Record<string, string> {
    const { scheme, port } = addressOf(address) ?? {};
    return {
        ...(scheme === "https" ? { minioPort: "443", minioStorageUseHttps: "true" } : {}),
        ...(scheme === "http" && port === undefined ? { minioPort: "80" } : {}),
        ...addressSettings(address, "minioHost", "minioPort"),
    };
}

/** The settings, by key. `base` are those of the stack that it is made from. */
export function settingsOf(wishes: Wishes, base: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const { audience, login, certificate, publicHost, bindAddress, tlsEmail, tlsCertificateFile } = wishes;
    // Served models have ports and tokens of their own stack, and two MinIOs on the same data would damage it.
    let settings = without(base, ["modelServers", "monitorUsername", "minioVolumePath", "minioVolumeName"]);
    if (audience === "laptop") {
        settings = { ...without(settings, ["publicHost", ...gatewayKeys]), bindAddress: bindAddress ?? "127.0.0.1" };
    } else {
        settings = {
            ...(certificate === undefined ? settings : without(settings, certificateKeys)),
            ...(publicHost === undefined ? {} : { publicHost }),
            ...(bindAddress === undefined ? {} : { bindAddress }),
            ...(certificate === "acme" && tlsEmail !== undefined ? { tlsEmail } : {}),
            ...(certificate === "given" && tlsCertificateFile !== undefined ? { tlsCertificateFile } : {}),
        };
    }
    settings.mlflowAuth = String(login);
    if (wishes.pgHost === "") {
        settings = without(settings, ["pgHost", "pgPort", "pgSslMode", "pgCaFile"]);
    } else if (wishes.pgHost !== undefined) {
        settings = {
            ...without(settings, ["postgresImage", "pgMemory", "pgCpus"]),
            ...addressSettings(wishes.pgHost, "pgHost", "pgPort"),
        };
    }
    if (wishes.minioHost === "") {
        const theirs = ["minioHost", "minioPort", "minioCaFile", "minioStorageUseHttps", "minioAccessKey"];
        settings = settings.minioHost === undefined ? settings : without(settings, theirs);
    } else if (wishes.minioHost !== undefined) {
        const ours = [
            "minioVolumePath",
            "minioVolumeName",
            "minioRootUser",
            "minioImage",
            "minioMemory",
            "minioCpus",
            "minioConsoleAddress",
        ];
        settings = { ...without(settings, ours), ...storeSettings(wishes.minioHost) };
    }
    if (wishes.ports !== undefined) {
        const [mlflow, s3, console] = wishes.ports;
        settings.mlflowPort = mlflow;
        if (settings.minioHost === undefined) {
            settings = { ...settings, minioPort: s3, minioConsoleAddress: `:${console}` };
        }
    }
    const { others } = wishes;
    const removed = Object.keys(others).filter((key) => others[key] === "");
    return without({ ...settings, ...others }, removed);
}

/** Secrets that settings cannot do without, each with the key that asks for it (config.ts, "is needed with"). */
export function neededSecrets(settings: Readonly<Record<string, unknown>>): string[] {
    const needs = [
        ["pgHost", "pgPassword"],
        ["pgHost", "pgOwnerPassword", "pgOwnerUser"],
        ["pgHost", "pgAuthPassword", "pgAuthUser"],
        ["minioHost", "minioSecretAccessKey"],
        ["publicHost", "tlsPrivateKey", "tlsCertificateFile"],
    ] as const;
    return needs
        .filter(
            ([key, , other]) => settings[key] !== undefined && (other === undefined || settings[other] !== undefined),
        )
        .map(([, secret]) => secret);
}

/** Whether a key is one that stands in no file in plain text. */
export function isSecretKey(key: string): boolean {
    return Object.hasOwn(keys, key) && "secret" in keys[key as keyof Configuration];
}

/**
 * Ports beside those that are taken: those of the settings if they are free, else ten higher, and so on. `isFree` asks the host.
 * Undefined where there are none.
 */
export async function proposePorts(
    settings: Readonly<Record<string, unknown>>,
    taken: ReadonlySet<number>,
    isFree: (port: number) => Promise<boolean>,
): Promise<Ports | undefined> {
    const { value } = parseConfiguration({ values: asTexts(settings), secrets: new Set() });
    const first = [value.mlflowPort, value.minioPort, portOf(value.minioConsoleAddress)];
    const other = settings.minioHost !== undefined;
    const held = Object.entries(publishedPorts(value, other))
        .filter(([key]) => !["mlflowPort", "minioPort", "minioConsoleAddress"].includes(key))
        .map(([, port]) => port);
    for (let step = 0; ; step += 10) {
        const ports = first.map((port) => port + step);
        if (ports.some((port) => port > 65535)) {
            return undefined;
        }
        const used = other ? ports.slice(0, 1) : ports;
        if (used.some((port) => taken.has(port) || held.includes(port)) || new Set(used).size < used.length) {
            continue;
        }
        if ((await Promise.all(used.map(isFree))).every(Boolean)) {
            const [mlflow = "", s3 = "", console = ""] = ports.map(String);
            return [mlflow, s3, console];
        }
    }
}

/** Whether a certificate by ACME can be had for it: a name that somebody else can look up. */
export function isPublicName(host: string): boolean {
    return host.includes(".") && !isIPv4(host);
}
