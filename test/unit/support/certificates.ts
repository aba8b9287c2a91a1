/** Certificates for tests, with keys and without. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";
import { type KeyPair, issueCertificate, makeAuthority } from "../../../components/certificates.ts";

/** The authority of the stack in these tests, as an earlier update has made it. */
export const keptAuthority = await makeAuthority("MLflow platform, stack test", new Date());

/** A certificate that somebody else has signed for these names, at that time, and its key. */
export async function givenCertificate(names: readonly string[], at = new Date()) {
    return issueCertificate(await makeAuthority("Somebody's authority", at), names, at);
}

/** A certificate with this name for its subject, good for that name alone, or for none that it lists. */
export async function certificateWithSubject(subject: string, dnsName: string | undefined): Promise<KeyPair> {
    const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const certificate = await X509CertificateGenerator.createSelfSigned({
        name: [{ CN: [subject] }],
        notBefore: new Date(Date.now() - 60_000),
        notAfter: new Date(Date.now() + 3_600_000),
        signingAlgorithm: algorithm,
        keys,
        extensions:
            dnsName === undefined ? [] : [new SubjectAlternativeNameExtension([{ type: "dns", value: dnsName }])],
    });
    return {
        certificate: `${certificate.toString("pem")}\n`,
        privateKey: PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY"),
    };
}

/** Certificates of two authorities, made once with openssl for a hundred years; nobody has their keys. */
export const authorities = {
    one: `-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIUVdPqHOhhgpU6Sjld5EjR5uBTBB0wCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNQXV0aG9yaXR5IG9uZTAgFw0yNjExMjQyMzE2MzNaGA8yMTI2
MTAzMTIzMTYzM1owGDEWMBQGA1UEAwwNQXV0aG9yaXR5IG9uZTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABK3Sn955QcM8Me/wOaIqXbmoPyhrx60nq5RVqLTt6t/Q
XKxaTUW0P3ROAhOUb+tiIubcjYcdcAaqt5OG26O2I1qjUzBRMB0GA1UdDgQWBBSC
tTNapObMsgSmqe2iW/QJifr6PTAfBgNVHSMEGDAWgBSCtTNapObMsgSmqe2iW/QJ
ifr6PTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCID5uuEECQKPq
QWIYTfAQBWq15WNJBZGFRnX4kSq0LycjAiEA7qOGyBUCPmHWsP34JzYNWDaxNOVK
OuxiHV+mh/9bGBQ=
-----END CERTIFICATE-----
`,
    two: `-----BEGIN CERTIFICATE-----
MIIBhjCCAS2gAwIBAgIUMuC0EnRd1HKqt+vqdWRXOVmw7GUwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNQXV0aG9yaXR5IHR3bzAgFw0yNjExMjQyMzE2MzNaGA8yMTI2
MTAzMTIzMTYzM1owGDEWMBQGA1UEAwwNQXV0aG9yaXR5IHR3bzBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABOxP6FEUxhaiESFVbII5tJIw8SMcFWzA/9l461O+PgK4
nmDBa/J1cJKeBp0/RTqj0lqfAWpYpKAwbbMZVzxmMPGjUzBRMB0GA1UdDgQWBBTt
sEMspxpuo/MmBsG62gP9wVFCxzAfBgNVHSMEGDAWgBTtsEMspxpuo/MmBsG62gP9
wVFCxzAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIDsCEiCSH2eK
Iudt72a+7gDZPsKgGiUVOIP0u1Vk5C+nAiAyXtQDZUMuPYPsAgJmuQWzIWyzRavj
dxer8iHwxHQeCw==
-----END CERTIFICATE-----
`,
};
