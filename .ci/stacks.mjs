// The stacks that workflows go through, as a line for GITHUB_OUTPUT: each has a file Pulumi.<stack>.yaml.
//   stacks.mjs                     all of them
//   stacks.mjs --only              those that the variable STACKS names, by blanks; each must have a file
//   stacks.mjs --without-backend   words on the stack in the variable STACK, which has no state that workflows share
import { readdirSync } from "node:fs";

const all = readdirSync(".")
    .flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? [])
    .sort();
const [option] = process.argv.slice(2);
if (option === "--without-backend") {
    const { STACK } = process.env;
    console.log(
        `Stack ${STACK} is not previewed: its environment preview-${STACK} has no variable PULUMI_BACKEND_URL.`,
    );
} else {
    const chosen = option === "--only" ? (process.env.STACKS ?? "").split(/\s+/).filter((name) => name !== "") : all;
    const unknown = chosen.filter((name) => !all.includes(name));
    if (unknown.length > 0) {
        console.error(`There is no Pulumi.<stack>.yaml for ${unknown.join(", ")}; there is one for ${all.join(", ")}.`);
        process.exit(1);
    }
    console.log(`stacks=${JSON.stringify(chosen)}`);
}
