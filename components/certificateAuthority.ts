import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { type KeyPair, makeAuthority } from "./certificates.ts";

/** A certificate and its private key as they come out of a resource. */
export interface KeyPairOutput {
    /** PEM; no secret. */
    readonly certificate: pulumi.Output<string>;
    /** PEM, a secret. */
    readonly privateKey: pulumi.Output<string>;
}

/**
 * Keeps what the program made at first, not what it makes now, encrypted in the state: `keepers` of a RandomId takes any text,
 * and with `ignoreChanges` the first one stays.
 */
export function keepKeyPair(
    name: string,
    made: pulumi.Input<KeyPair>,
    options: pulumi.CustomResourceOptions,
): KeyPairOutput {
    const keepers = pulumi.secret(made).apply((pair) => ({ ...pair }));
    const resource = new random.RandomId(
        name,
        { byteLength: 4, keepers },
        { ...options, ignoreChanges: ["keepers"], additionalSecretOutputs: ["keepers"] },
    );
    const part = (of: keyof KeyPair) => resource.keepers.apply((values) => values?.[of] ?? "");
    return { certificate: pulumi.unsecret(part("certificate")), privateKey: pulumi.secret(part("privateKey")) };
}

/**
 * The stack's own certificate authority: made at the first update and kept, protected and encrypted, in the state, as a
 * generated secret is. It is declared whether something uses it or not, because a protected resource that leaves the program
 * fails the update.
 */
export class CertificateAuthority extends pulumi.ComponentResource implements KeyPairOutput {
    public readonly certificate: pulumi.Output<string>;
    public readonly privateKey: pulumi.Output<string>;

    constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:CertificateAuthority", name, {}, opts);
        const subject = `MLflow platform, stack ${pulumi.getStack()}`;
        const made = makeAuthority(subject, new Date());
        ({ certificate: this.certificate, privateKey: this.privateKey } = keepKeyPair(name, made, {
            parent: this,
            protect: true,
        }));
        this.registerOutputs({ certificate: this.certificate });
    }
}
