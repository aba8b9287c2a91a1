import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { type KeyPairOutput, keepKeyPair } from "./certificateAuthority.ts";
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
            .apply(([certificate, privateKey]) => issueCertificate({ certificate, privateKey }, names, new Date()));
        // What is kept does not change, so other names are another resource.
        const hash = createHash("sha256")
            .update([...names].sort().join(" "))
            .digest("hex")
            .slice(0, 8);
        ({ certificate: this.certificate, privateKey: this.privateKey } = keepKeyPair(`${name}-${hash}`, made, {
            parent: this,
        }));
        this.registerOutputs({ certificate: this.certificate });
    }
}
