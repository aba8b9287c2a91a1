import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { makeAuthority } from "./certificates.ts";

/** A certificate and its private key as they come out of a resource. */
export interface KeyPairOutput {
    /** PEM; no secret. */
    readonly certificate: pulumi.Output<string>;
    /** PEM, a secret. */
    readonly privateKey: pulumi.Output<string>;
}

/**
 * The text of a resource's `keepers`: what the program made at first, not what it makes now. `keepers` takes any text and
 * keeps it in the state, and with `ignoreChanges` the first one stays.
 */
export function kept(keepers: pulumi.Output<Record<string, string> | undefined>): KeyPairOutput {
    const part = (name: string) => keepers.apply((values) => values?.[name] ?? "");
    return { certificate: pulumi.unsecret(part("certificate")), privateKey: pulumi.secret(part("privateKey")) };
}

/** Options of a resource that keeps a key pair. */
export const keptOptions = { ignoreChanges: ["keepers"], additionalSecretOutputs: ["keepers"] };

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
        const made = makeAuthority(subject, new Date()).then((pair) => ({ ...pair }));
        const { keepers } = new random.RandomId(
            name,
            { byteLength: 4, keepers: pulumi.secret(made) },
            { parent: this, protect: true, ...keptOptions },
        );
        ({ certificate: this.certificate, privateKey: this.privateKey } = kept(keepers));
        this.registerOutputs({ certificate: this.certificate });
    }
}
