import { expect, inject, it } from "vitest";
import { Checkout } from "../support/checkout.ts";
import { containersOf, dockerLines } from "../support/engine.ts";
import { keptBy } from "../support/kept.ts";

const platform = inject("planted");
const { stack } = platform;
const checkout = Checkout.at(platform.directory, platform.stateHome);

it("npm stop takes every container and the network away, and npm start brings everything back", async () => {
    const expectEverythingThere = await keptBy(platform);
    await checkout.ok("stop", ["--stack", stack]);
    expect(await containersOf(stack)).toEqual([]);
    expect(await dockerLines("network", "ls", "--quiet", "--filter", `label=mlflow-platform.stack=${stack}`)).toEqual(
        [],
    );
    await checkout.ok("start", ["--stack", stack]);
    await expectEverythingThere();
});
