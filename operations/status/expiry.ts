/** Until when the certificates of a stack are valid: what the gateway shows, and what was given or made for it. */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect } from "node:tls";
import { ownAddress } from "../../components/addresses.ts";
import type { Configuration } from "../../config.ts";
import { isLocal } from "../../hostCheck.ts";

/** A certificate, and who renews it. */
export interface Expiry {
    /** Whose it is, such as "the gateway's certificate". */
    readonly what: string;
    /** `internal` and `acme`: by the gateway itself. `given`: by the user. `authority`: by nobody. */
    readonly kind: "internal" | "acme" | "given" | "authority";
    /** ISO 8601. */
    readonly validFrom: string;
    /** ISO 8601. */
    readonly validTo: string;
}

/**
 * Days before the end from which on it is a warning. The gateway renews after two thirds of a certificate's time (Caddy,
 * renewal_window_ratio): of 7 days with 2.3 left, of 90 with 30.
 */
const warnDays: Readonly<Record<Expiry["kind"], number>> = { internal: 1, acme: 14, given: 21, authority: 90 };

/** How a certificate stands at a time. */
export function standing(
    { kind, validFrom, validTo }: Expiry,
    now: Date,
): { level: "ok" | "warn" | "fault"; words: string } {
    const days = (new Date(validTo).getTime() - now.getTime()) / (24 * 3600 * 1000);
    const date = validTo.slice(0, 16).replace("T", " ");
    if (days < 0) {
        return { level: "fault", words: `has not been valid since ${date} UTC` };
    }
    if (new Date(validFrom) > now) {
        return { level: "fault", words: `is not valid before ${validFrom.slice(0, 16).replace("T", " ")} UTC` };
    }
    const left = days < 2 ? `${Math.floor(days * 24)} hours` : `${Math.floor(days)} days`;
    return { level: days < warnDays[kind] ? "warn" : "ok", words: `valid for ${left}, until ${date} UTC` };
}

/** The first certificate of a PEM text; undefined where there is none that can be read. */
export function expiryOf(what: string, kind: Expiry["kind"], pem: string | Buffer): Expiry | undefined {
    try {
        const { validFrom, validTo } = new X509Certificate(pem);
        return {
            what,
            kind,
            validFrom: new Date(validFrom).toISOString(),
            validTo: new Date(validTo).toISOString(),
        };
    } catch {
        return undefined;
    }
}

/** The certificate that is shown at an address, whoever signed it. DER; undefined where none is shown within 5 seconds. */
export async function shownCertificate(host: string, port: number, name: string): Promise<Buffer | undefined> {
    return new Promise((resolve) => {
        const socket = connect({
            host,
            port,
            // It is only looked at: nothing is sent.
            rejectUnauthorized: false,
            ...(isIP(name) === 0 ? { servername: name } : {}),
        });
        const end = (found: Buffer | undefined) => {
            socket.destroy();
            resolve(found);
        };
        socket.setTimeout(5000, () => {
            end(undefined);
        });
        socket.once("error", () => {
            end(undefined);
        });
        socket.once("secureConnect", () => {
            end(socket.getPeerX509Certificate()?.raw);
        });
    });
}

/** What decides who renews the gateway's certificate. */
export type CertificateKeys = Pick<
    Configuration,
    "publicHost" | "bindAddress" | "mlflowPort" | "tlsCertificateFile" | "tlsEmail"
>;

/** The certificate that the gateway shows; undefined without a gateway, and where it shows none. */
export async function gatewayExpiry(
    c: Partial<CertificateKeys>,
    engine: string | undefined,
): Promise<Expiry | undefined> {
    const { publicHost, bindAddress, mlflowPort } = c;
    if (publicHost === undefined || bindAddress === undefined || mlflowPort === undefined) {
        return undefined;
    }
    const kind = c.tlsCertificateFile !== undefined ? "given" : c.tlsEmail !== undefined ? "acme" : "internal";
    const host = isLocal(engine) ? ownAddress(bindAddress) : publicHost;
    const shown = await shownCertificate(host, mlflowPort, publicHost);
    return shown === undefined ? undefined : expiryOf("the gateway's certificate", kind, shown);
}
