/** What has to outlive every change of a platform: a run with an artifact, the credentials, the data volumes. */
import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import { Checkout } from "./checkout.ts";
import { dataVolumes, healthy, serverFile } from "./engine.ts";
import type { Platform } from "./platforms.ts";
import { runPython } from "./python.ts";

/** Logs a run. The function that it returns expects everything to be as it was then; clients may find the server elsewhere. */
export async function keptBy(platform: Platform): Promise<(trackingUri?: string) => Promise<void>> {
    const { stack, login } = platform;
    const checkout = Checkout.at(platform.directory, platform.stateHome);
    const text = `kept ${randomBytes(4).toString("hex")}`;
    const credentials = async () => {
        const { pgUri, minioRootUser, minioRootPassword } = await checkout.outputs(stack);
        const files = ["pgpass", "aws_credentials", "kek_passphrase"].map((file) => serverFile(stack, file));
        return { pgUri, minioRootUser, minioRootPassword, files: await Promise.all(files) };
    };
    const { runId } = await runPython<{ runId: string }>("log_and_read.py", [platform.trackingUri, "log", text], login);
    const before = { credentials: await credentials(), volumes: await dataVolumes(stack) };
    return async (trackingUri = platform.trackingUri) => {
        await healthy(stack);
        expect(await runPython("log_and_read.py", [trackingUri, "read", runId], login)).toEqual({
            param: text,
            artifact: text,
        });
        expect({ credentials: await credentials(), volumes: await dataVolumes(stack) }).toEqual(before);
    };
}
