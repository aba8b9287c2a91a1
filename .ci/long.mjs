// When each file of the long tests was last green, from test/long.json: by how many commits that is older than this one.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

const file = "test/long.json";
const results = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
if (Object.keys(results).length === 0) {
    console.log(`npm run test:long: has not been recorded in ${file} yet`);
}
for (const [name, { result, seconds, green }] of Object.entries(results)) {
    let when = "was never green";
    if (green !== undefined) {
        const options = { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] };
        try {
            const count = execFileSync(
                "git",
                ["rev-list", "--count", `${green.replace("+", "")}..HEAD`],
                options,
            ).trim();
            when = `was last green ${count} commits ago`;
        } catch {
            // A shallow clone, or a commit that was left behind.
            when = "was last green at a commit that is not here";
        }
    }
    console.log(`npm run test:long -- ${name}: ${when} (last ${result} in ${seconds} s)`);
}
