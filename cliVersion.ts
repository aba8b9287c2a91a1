/** The version of Pulumi's CLI that the program may be run by. */
import * as pulumi from "@pulumi/pulumi";
import { version } from "@pulumi/pulumi/version.js";
import { UpdateError } from "./updateError.ts";

/**
 * Throws an UpdateError where the CLI is older than the SDK, or of another major version. `require` asks the CLI; without
 * one, as under Pulumi's mocks, nothing is asked.
 */
export async function requireCli(require = pulumi.runtime.requirePulumiVersion): Promise<void> {
    try {
        await require(`>=${version} <4.0.0`);
    } catch (error) {
        // The CLI's own words, where gRPC puts its code before them.
        const { message, details = message } = error as Error & { details?: string };
        throw new UpdateError(
            `${details}\n` +
                `  Install Pulumi's CLI ${version} or later (https://www.pulumi.com/docs/install/), ` +
                "or run the one that npm start has fetched: npm run pulumi -- …",
        );
    }
}
