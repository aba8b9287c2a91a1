/** Which CLI may run the program, and what the user of another one is told. */
import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { requireCli } from "../../cliVersion.ts";
import { UpdateError } from "../../updateError.ts";

const { version } = createRequire(import.meta.url)("@pulumi/pulumi/package.json") as { version: string };
const cure =
    `  Install Pulumi's CLI ${version} or later (https://www.pulumi.com/docs/install/), ` +
    "or run the one that npm start has fetched: npm run pulumi -- …";

/** Runs the check against a CLI that refuses so. */
const refusal = (error: Error): Promise<unknown> =>
    requireCli(() => Promise.reject(error)).then(
        () => undefined,
        (thrown: unknown) => thrown,
    );

describe("Pulumi's CLI", () => {
    it("is asked for the SDK's version or a later one of the same major", async () => {
        const asked: string[] = [];
        await requireCli((range) => {
            asked.push(range);
            return Promise.resolve();
        });
        expect(asked).toEqual([`>=${version} <4.0.0`]);
    });

    it("that is another one is refused in its own words, with what to do", async () => {
        const words = "Pulumi CLI version 3.255.0 does not satisfy the version range";
        const error = await refusal(Object.assign(new Error(`2 UNKNOWN: ${words}`), { code: 2, details: words }));
        expect(error).toBeInstanceOf(UpdateError);
        expect((error as Error).message).toBe(`${words}\n${cure}`);
    });

    it("that does not know the question is refused as well", async () => {
        const words = "The installed version of the CLI does not support the `RequirePulumiVersion` RPC.";
        const error = await refusal(new Error(words));
        expect(error).toBeInstanceOf(UpdateError);
        expect((error as Error).message).toBe(`${words}\n${cure}`);
    });

    it("is not asked where there is none, as under mocks", async () => {
        await expect(requireCli()).resolves.toBeUndefined();
    });
});
