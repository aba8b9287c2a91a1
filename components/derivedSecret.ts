import { createHmac } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";

/** A credential for one purpose, from a secret that has many: who knows it knows neither the secret nor the others. */
export function derivedText(secret: string, purpose: string): string {
    return createHmac("sha256", secret).update(purpose).digest("base64url");
}

/**
 * The same as a secret output. What is derived comes and goes with its purpose, which a protected resource of its own
 * could not: one that leaves the program fails the update.
 */
export function derivedSecret(secret: pulumi.Input<string>, purpose: string): pulumi.Output<string> {
    return pulumi.secret(pulumi.output(secret).apply((text) => derivedText(text, purpose)));
}

/** For `derivedSecret`: the password of a served model's account at the tracking server. */
export function accountPurpose(model: { readonly name: string }): string {
    return `account ${model.name}`;
}

/** For `derivedSecret`: the bearer token of a served model. */
export function tokenPurpose(model: { readonly name: string; readonly tokenVersion: number }): string {
    return `token ${model.name} ${model.tokenVersion}`;
}
