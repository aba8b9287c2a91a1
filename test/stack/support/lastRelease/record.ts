/**
 * The states that existing.test.ts previews over: `node test/stack/support/lastRelease/record.ts <commit>`, a release's.
 * It makes the stacks on this engine with that commit's own `npm start`, and gives them up again.
 */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { makeAuthority } from "../../../../components/certificates.ts";
import { currentMaker } from "../../../../components/origin.ts";
import { checkoutOf, initStacks, records, takePassphrase } from "../lastRelease.ts";

const [wanted = "HEAD"] = process.argv.slice(2);
const { stdout: commit } = await execa("git", ["rev-parse", `${wanted}^{commit}`]);
const checkout = await checkoutOf(commit);
takePassphrase(checkout);

// Where packages come from is a setting of the machine, but for a stack that names its own.
const { certificate } = await makeAuthority("recorded package index", new Date());
writeFileSync(join(checkout.directory, "packages.pem"), certificate);

const stacks = { plain: "plain", served: "served" };
const ports = [31_500, 31_501, 31_502, 31_503, 31_504, 31_505, 31_506];
const made = [];
try {
    await initStacks(checkout, stacks, [ports.slice(0, 3), ports.slice(3)]);
    await checkout.set(stacks.served, {
        packageIndexUrl: "https://packages.example.com/simple",
        packageCaFile: "packages.pem",
    });
    for (const stack of Object.values(stacks)) {
        made.push(stack);
        await checkout.ok("start", ["--stack", stack], {}, true);
        // Where in the program each was made names the directory of this checkout.
        const state = JSON.stringify(
            await checkout.state(stack),
            (name, value: unknown) => (["sourcePosition", "stackTrace"].includes(name) ? undefined : value),
            1,
        );
        writeFileSync(join(records, `${stack}.json`), `${state.replaceAll(currentMaker(), "ana@laptop")}\n`);
        copyFileSync(join(checkout.directory, `Pulumi.${stack}.yaml`), join(records, `Pulumi.${stack}.yaml`));
    }
    copyFileSync(join(checkout.directory, "packages.pem"), join(records, "packages.pem"));
    writeFileSync(join(records, "commit"), `${commit}\n`);
} finally {
    for (const stack of made) {
        await checkout.ok("delete-data", [stack]);
    }
    checkout.remove();
}
