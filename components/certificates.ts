/** Certificates in PEM form: an authority of a stack's own, and what it signs. Keys are ECDSA on P-256, which every client knows. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
    AuthorityKeyIdentifierExtension,
    BasicConstraintsExtension,
    ExtendedKeyUsage,
    ExtendedKeyUsageExtension,
    KeyUsageFlags,
    KeyUsagesExtension,
    PemConverter,
    SubjectAlternativeNameExtension,
    SubjectKeyIdentifierExtension,
    X509Certificate,
    X509CertificateGenerator,
} from "@peculiar/x509";

/** A certificate and its private key (PKCS #8). */
export interface KeyPair {
    readonly certificate: string;
    readonly privateKey: string;
}

const { subtle } = webcrypto;
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

const day = 24 * 60 * 60 * 1000;
// An hour back, for clocks that are late.
const from = (now: Date) => new Date(now.getTime() - day / 24);
const until = (now: Date, years: number) => new Date(now.getTime() + years * 365 * day);

async function pem({ privateKey }: webcrypto.CryptoKeyPair): Promise<string> {
    return `${PemConverter.encode(await subtle.exportKey("pkcs8", privateKey), "PRIVATE KEY")}\n`;
}

/** An authority for 20 years: who trusts it trusts every certificate that it signs. */
export async function makeAuthority(name: string, now: Date): Promise<KeyPair> {
    const keys = await subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const certificate = await X509CertificateGenerator.createSelfSigned({
        name: [{ CN: [name] }],
        notBefore: from(now),
        notAfter: until(now, 20),
        signingAlgorithm: algorithm,
        keys,
        extensions: [
            new BasicConstraintsExtension(true, undefined, true),
            new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
            await SubjectKeyIdentifierExtension.create(keys.publicKey),
        ],
    });
    return { certificate: `${certificate.toString("pem")}\n`, privateKey: await pem(keys) };
}

/** A server's certificate for 10 years, good for these DNS names and IPv4 addresses. */
export async function issueCertificate(authority: KeyPair, names: readonly string[], now: Date): Promise<KeyPair> {
    const issuer = new X509Certificate(authority.certificate);
    const signingKey = await subtle.importKey(
        "pkcs8",
        PemConverter.decodeFirst(authority.privateKey),
        algorithm,
        false,
        ["sign"],
    );
    const keys = await subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const certificate = await X509CertificateGenerator.create({
        subject: [{ CN: [names[0] ?? ""] }],
        issuer: issuer.subject,
        notBefore: from(now),
        notAfter: until(now, 10),
        signingAlgorithm: algorithm,
        publicKey: keys.publicKey,
        signingKey,
        extensions: [
            new BasicConstraintsExtension(false, undefined, true),
            new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
            new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
            new SubjectAlternativeNameExtension(
                names.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value })),
            ),
            await SubjectKeyIdentifierExtension.create(keys.publicKey),
            await AuthorityKeyIdentifierExtension.create(issuer),
        ],
    });
    return { certificate: `${certificate.toString("pem")}\n`, privateKey: await pem(keys) };
}
