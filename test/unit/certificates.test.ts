/** The stack's authority and what it signs, as Node's own OpenSSL reads them. */
import { X509Certificate, createPrivateKey } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import { beforeAll, describe, expect, it } from "vitest";
import { type KeyPair, issueCertificate, makeAuthority } from "../../components/certificates.ts";

const now = new Date("2026-03-01T12:30:15Z");
const names = ["minio", "s3.example.com", "127.0.0.1", "192.168.1.10"];

let authority: KeyPair;
let server: KeyPair;
let ca: X509Certificate;
let leaf: X509Certificate;
beforeAll(async () => {
    authority = await makeAuthority("MLflow platform, stack dev", now);
    server = await issueCertificate(authority, names, now);
    ca = new X509Certificate(authority.certificate);
    leaf = new X509Certificate(server.certificate);
});

/** Extensions that X509Certificate does not name, in its own text: name → critical or not, and the value. */
const keyUsage = { keyCertSign: 0x04, cRLSign: 0x02, digitalSignature: 0x80 };
const hasUsage = ({ raw }: X509Certificate, bits: number) => {
    // OID 2.5.29.15, critical, a bit string of one byte.
    const at = raw.indexOf(Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04, 0x03, 0x02]));
    return at > 0 && raw[at + 13] === bits;
};

/** Whether it says that it is no authority: OID 2.5.29.19, critical, an empty sequence. */
const isNoAuthority = ({ raw }: X509Certificate) =>
    raw.includes(Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x02, 0x30, 0x00]));

describe("an authority", () => {
    it("is one, for 20 years from an hour ago, signed by itself", () => {
        expect(ca.ca).toBe(true);
        expect(ca.subject).toBe("CN=MLflow platform\\, stack dev");
        expect(ca.issuer).toBe(ca.subject);
        expect(ca.validFrom).toBe("Mar  1 11:30:15 2026 GMT");
        expect(ca.validTo).toBe("Feb 24 12:30:15 2046 GMT");
        expect(ca.verify(ca.publicKey)).toBe(true);
        expect(ca.checkIssued(ca)).toBe(true);
        expect(hasUsage(ca, keyUsage.keyCertSign | keyUsage.cRLSign)).toBe(true);
    });

    it("is for no host", () => {
        expect(ca.subjectAltName).toBeUndefined();
    });

    it.each([
        ["authority", () => [ca, authority] as const],
        ["server", () => [leaf, server] as const],
    ])("and its %s's key is elliptic on P-256, in PKCS #8, and the certificate's", (_who, pair) => {
        const [certificate, { privateKey }] = pair();
        expect(privateKey).toMatch(/^-----BEGIN PRIVATE KEY-----\n[^-]+\n-----END PRIVATE KEY-----\n$/);
        const key = createPrivateKey(privateKey);
        expect([key.asymmetricKeyType, key.asymmetricKeyDetails]).toEqual(["ec", { namedCurve: "prime256v1" }]);
        expect(certificate.checkPrivateKey(key)).toBe(true);
    });

    it("is another each time", async () => {
        const other = await makeAuthority("MLflow platform, stack dev", now);
        expect(other.privateKey).not.toBe(authority.privateKey);
        expect(leaf.verify(new X509Certificate(other.certificate).publicKey)).toBe(false);
        expect(new X509Certificate(other.certificate).serialNumber).not.toBe(ca.serialNumber);
    });

    it("gives texts of one certificate and one key that end their last line", () => {
        for (const { certificate } of [authority, server]) {
            expect(certificate).toMatch(/^-----BEGIN CERTIFICATE-----\n[^-]+\n-----END CERTIFICATE-----\n$/);
        }
    });
});

describe("a server's certificate", () => {
    it("is no authority, for 10 years from an hour ago, and signed by the authority", () => {
        expect(leaf.ca).toBe(false);
        expect([isNoAuthority(leaf), isNoAuthority(ca)]).toEqual([true, false]);
        expect(leaf.subject).toBe("CN=minio");
        expect(leaf.issuer).toBe(ca.subject);
        expect(leaf.checkIssued(ca)).toBe(true);
        expect(leaf.verify(ca.publicKey)).toBe(true);
        expect(leaf.verify(leaf.publicKey)).toBe(false);
        expect(leaf.validFrom).toBe("Mar  1 11:30:15 2026 GMT");
        expect(leaf.validTo).toBe("Feb 27 12:30:15 2036 GMT");
        // For a server, and for signatures alone.
        expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
        expect(hasUsage(leaf, keyUsage.digitalSignature)).toBe(true);
    });

    it("is good for its names and addresses and no other", () => {
        expect(leaf.subjectAltName).toBe(
            "DNS:minio, DNS:s3.example.com, IP Address:127.0.0.1, IP Address:192.168.1.10",
        );
        expect(["minio", "s3.example.com", "other", "a.s3.example.com"].map((name) => leaf.checkHost(name))).toEqual([
            "minio",
            "s3.example.com",
            undefined,
            undefined,
        ]);
        expect(["127.0.0.1", "192.168.1.10", "127.0.0.2"].map((address) => leaf.checkIP(address))).toEqual([
            "127.0.0.1",
            "192.168.1.10",
            undefined,
        ]);
    });

    it("does not outlive its authority", () => {
        expect(new Date(leaf.validTo).getTime()).toBeLessThan(new Date(ca.validTo).getTime());
    });

    it.each<[string, string | undefined, string, string | undefined]>([
        ["the authority, by a name", "authority", "s3.example.com", undefined],
        ["the authority, by another name", "authority", "other", "ERR_TLS_CERT_ALTNAME_INVALID"],
        ["public authorities", undefined, "s3.example.com", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    ])("is taken or refused in a handshake by who trusts %s", async (_words, trusted, servername, code) => {
        const fresh = await makeAuthority("now", new Date());
        const { certificate, privateKey } = await issueCertificate(fresh, names, new Date());
        const listener = createServer({ cert: certificate, key: privateKey }).listen(0, "127.0.0.1");
        listener.on("tlsClientError", () => undefined);
        await once(listener, "listening");
        const socket = connect({
            port: (listener.address() as AddressInfo).port,
            host: "127.0.0.1",
            servername,
            ...(trusted === undefined ? {} : { ca: fresh.certificate }),
        });
        const outcome = await new Promise<string | undefined>((resolve) => {
            socket.once("secureConnect", () => {
                resolve(undefined);
            });
            socket.once("error", (error: NodeJS.ErrnoException) => {
                resolve(error.code);
            });
        });
        socket.destroy();
        listener.close();
        expect(outcome).toBe(code);
    });
});
