import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { type KeyPairOutput, kept, keptOptions } from "./certificateAuthority.ts";
import { issueCertificate } from "./certificates.ts";

/** Arguments of `ServerCertificate`. */
export interface ServerCertificateArgs {
    /** Who signs it. */
    authority: KeyPairOutput;
    /** DNS names and IPv4 addresses that it is good for. */
    names: readonly string[];
}

/** A certificate of one service, signed by the stack's authority and kept in the state. */
export class ServerCertificate extends pulumi.ComponentResource implements KeyPairOutput {
    public readonly certificate: pulumi.Output<string>;
    public readonly privateKey: pulumi.Output<string>;

    constructor(name: string, args: ServerCertificateArgs, opts?: pulumi.ComponentResourceOptions) {
        super("mlflow-platform:index:ServerCertificate", name, {}, opts);
        const { authority, names } = args;
        const made = pulumi
            .all([authority.certificate, authority.privateKey])
            .apply(([certificate, privateKey]) => issueCertificate({ certificate, privateKey }, names, new Date()))
            .apply((pair) => ({ ...pair }));
        // What is kept does not change, so other names are another resource.
        const hash = createHash("sha256")
            .update([...names].sort().join(" "))
            .digest("hex")
            .slice(0, 8);
        const { keepers } = new random.RandomId(
            `${name}-${hash}`,
            { byteLength: 4, keepers: pulumi.secret(made) },
            { parent: this, ...keptOptions },
        );
        ({ certificate: this.certificate, privateKey: this.privateKey } = kept(keepers));
        this.registerOutputs({ certificate: this.certificate });
    }
}
