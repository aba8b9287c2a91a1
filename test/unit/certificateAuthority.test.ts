/** Key pairs that are made once and kept in the state: the stack's authority, and a service's certificate. */
import { X509Certificate, createPrivateKey } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { CertificateAuthority } from "../../components/certificateAuthority.ts";
import { ServerCertificate } from "../../components/serverCertificate.ts";
import { keptAuthority } from "./support/certificates.ts";
import { type Circumstances, Secret, record, valueOf } from "./support/recording.ts";

/** The text of a pair of outputs, and whether each is a secret. */
const read = async ({
    certificate,
    privateKey,
}: {
    certificate: pulumi.Output<string>;
    privateKey: pulumi.Output<string>;
}) => ({
    certificate: await valueOf(certificate),
    privateKey: await valueOf(privateKey),
    secret: [await pulumi.isSecret(certificate), await pulumi.isSecret(privateKey)],
});
/** What the program made, which the engine takes only at the first update. */
const madeOf = (inputs: Readonly<Record<string, unknown>>) =>
    (inputs.keepers as Secret).value as { certificate: string; privateKey: string };
const keptOptions = { ignoreChanges: ["keepers"], additionalSecretOutputs: ["keepers"] };

describe("the authority of a stack", () => {
    const make = (circumstances: Circumstances = {}) =>
        record(() => new CertificateAuthority("authority"), circumstances);

    it("is one protected resource, whose key is a secret", async () => {
        const { registrations, get } = await make();
        expect(registrations.map(({ key, type }) => [key, type])).toEqual([
            ["mlflow-platform:CertificateAuthority authority", "mlflow-platform:index:CertificateAuthority"],
            ["random:RandomId authority", "random:index/randomId:RandomId"],
        ]);
        const id = get("random:RandomId authority");
        expect(id.parent).toBe("mlflow-platform:CertificateAuthority authority");
        expect(Object.keys(id.inputs).sort()).toEqual(["byteLength", "keepers"]);
        expect(id.inputs.byteLength).toBe(4);
        expect(Object.keys(madeOf(id.inputs)).sort()).toEqual(["certificate", "privateKey"]);
        expect(id.options).toStrictEqual({ protect: true, ...keptOptions });
    });

    it("is what the first update made, named after the stack", async () => {
        const { result, get } = await make({ firstUpdate: true });
        const made = madeOf(get("random:RandomId authority").inputs);
        expect(await read(result)).toEqual({ ...made, secret: [false, true] });
        const certificate = new X509Certificate(made.certificate);
        expect([certificate.subject, certificate.ca]).toEqual(["CN=MLflow platform\\, stack test", true]);
        expect(certificate.checkPrivateKey(createPrivateKey(made.privateKey))).toBe(true);
        expect(Math.abs(Date.now() - 60 * 60 * 1000 - new Date(certificate.validFrom).getTime())).toBeLessThan(60_000);
    });

    it("stays that, whatever later ones make", async () => {
        const { result, get } = await make();
        expect(madeOf(get("random:RandomId authority").inputs)).not.toEqual(keptAuthority);
        expect(await read(result)).toEqual({ ...keptAuthority, secret: [false, true] });
    });

    it("is empty where an update has kept nothing, rather than undefined", async () => {
        const outputs = { "random:RandomId authority": { keepers: {} } };
        expect(await read((await make({ outputs })).result)).toEqual({
            certificate: "",
            privateKey: "",
            secret: [false, true],
        });
    });
});

describe("a service's certificate", () => {
    const names = ["minio", "s3", "127.0.0.1"];
    const make = (some: readonly string[] = names, circumstances: Circumstances = {}) =>
        record(
            () =>
                new ServerCertificate("thing-certificate", {
                    authority: {
                        certificate: pulumi.output(keptAuthority.certificate),
                        privateKey: pulumi.secret(keptAuthority.privateKey),
                    },
                    names: some,
                }),
            circumstances,
        );
    const nameOf = async (some: readonly string[]) => (await make(some)).registrations[1]?.name ?? "";

    it("is one resource, named after what it is good for, kept but not protected: it can be made again", async () => {
        const { registrations, get } = await make();
        expect(registrations.map(({ key, type }) => [key, type])).toEqual([
            ["mlflow-platform:ServerCertificate thing-certificate", "mlflow-platform:index:ServerCertificate"],
            ["random:RandomId thing-certificate-afb28993", "random:index/randomId:RandomId"],
        ]);
        const id = get("random:RandomId thing-certificate-afb28993");
        expect(id.parent).toBe("mlflow-platform:ServerCertificate thing-certificate");
        expect(id.inputs.byteLength).toBe(4);
        expect(Object.keys(madeOf(id.inputs)).sort()).toEqual(["certificate", "privateKey"]);
        expect(id.options).toStrictEqual(keptOptions);
    });

    it("is what the first update made: good for its names, and signed by the authority", async () => {
        const { result, registrations } = await make(names, { firstUpdate: true });
        const made = madeOf(registrations[1]?.inputs ?? {});
        expect(await read(result)).toEqual({ ...made, secret: [false, true] });
        const certificate = new X509Certificate(made.certificate);
        expect(certificate.subjectAltName).toBe("DNS:minio, DNS:s3, IP Address:127.0.0.1");
        expect(certificate.verify(new X509Certificate(keptAuthority.certificate).publicKey)).toBe(true);
        expect(certificate.checkPrivateKey(createPrivateKey(made.privateKey))).toBe(true);
        expect(Math.abs(Date.now() - 60 * 60 * 1000 - new Date(certificate.validFrom).getTime())).toBeLessThan(60_000);
    });

    it("is kept as a secret also where nobody marked the authority's key", async () => {
        const { registrations } = await record(() => {
            const authority = {
                certificate: pulumi.output(keptAuthority.certificate),
                privateKey: pulumi.output(keptAuthority.privateKey),
            };
            return new ServerCertificate("thing-certificate", { authority, names });
        });
        expect(registrations[1]?.inputs.keepers).toBeInstanceOf(Secret);
    });

    it("stays that, whatever later ones make", async () => {
        expect(await read((await make()).result)).toEqual({
            certificate: "certificate of thing-certificate-afb28993",
            privateKey: "private key of thing-certificate-afb28993",
            secret: [false, true],
        });
    });

    it("is another resource for other names, and the same for the same ones in another order", async () => {
        const name = await nameOf(names);
        expect(await nameOf([...names].reverse())).toBe(name);
        expect(await nameOf(["minio", "s3"])).not.toBe(name);
        expect(await nameOf([...names, "127.0.0.2"])).not.toBe(name);
        expect(names).toEqual(["minio", "s3", "127.0.0.1"]);
    });
});
