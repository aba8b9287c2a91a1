import { expect, inject, it } from "vitest";
import { Checkout } from "../support/checkout.ts";
import { identities } from "../support/engine.ts";

const platform = inject("generated");
const { stack } = platform;
const checkout = Checkout.at(platform.directory, platform.stateHome);

it("a second up changes nothing, with and without refresh", async () => {
    await checkout.pulumi(stack, "preview", "--expect-no-changes");
    await checkout.pulumi(stack, "preview", "--expect-no-changes", "--refresh");
    const before = await identities(stack);
    expect(await checkout.pulumi(stack, "up", "--yes", "--skip-preview")).not.toMatch(
        /created|replaced|updated|deleted/,
    );
    expect(await identities(stack)).toEqual(before);
});

it("a second npm start changes nothing and says so", async () => {
    const before = await identities(stack);
    expect(await checkout.ok("start", ["--stack", stack])).toContain("pulumi up: nothing to change");
    expect(await identities(stack)).toEqual(before);
});

it("another clone of the same user finds the same stack", async () => {
    const clone = await Checkout.make(platform.stateHome);
    try {
        const outputs = await clone.outputs(stack);
        expect(outputs.trackingUri).toBe(platform.trackingUri);
    } finally {
        clone.remove();
    }
});

it("gives the outputs that scripts rely on", async () => {
    const outputs = await checkout.outputs(stack);
    expect(outputs).toMatchObject({
        trackingUri: platform.trackingUri,
        minioEndpoint: `http://127.0.0.1:${platform.ports.s3}`,
        minioConsoleUrl: `http://127.0.0.1:${platform.ports.console}`,
        bucketName: "mlflow",
        clientEnv: { MLFLOW_TRACKING_URI: platform.trackingUri },
        modelServerUrls: {},
    });
    expect(outputs.pgUri).toMatch(/^postgresql:\/\/mlflow:[A-Za-z0-9]{32}@postgres:5432\/mlflow$/);
    const shown = await checkout.pulumi(stack, "stack", "output");
    for (const name of ["pgUri", "clientEnv", "minioRootUser", "minioRootPassword"]) {
        expect(shown).toMatch(new RegExp(`${name} +\\[secret\\]`));
    }
    const { status } = await fetch(String(outputs.minioConsoleUrl));
    expect(status).toBe(200);
});
