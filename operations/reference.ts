/**
 * `npm run reference`: writes docs/configuration.md from the table of keys, the plain keys' defaults to Pulumi.yaml, and
 * docs/rules.md from the rules.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Key, keys } from "../config.ts";
import { servedModelFields } from "../servedModels.ts";
import { rules } from "../rules/judge.ts";
import { placesOf } from "./places.ts";

const entries = Object.entries<Key<unknown>>(keys);

function cell(text: string): string {
    return text.replaceAll("|", "\\|");
}

/** The reference as Markdown. */
export function configurationReference(): string {
    const row = ([name, key]: [string, Key<unknown>], compose: boolean) =>
        [
            ...(compose ? [`\`${key.compose ?? ""}\``] : []),
            `\`${name}\``,
            key.secret ? "yes" : "",
            cell([key.unit ?? key.type, key.range ?? ""].filter((part) => part !== "").join(", ")),
            key.default === undefined ? cell(key.unset ?? "") : `\`${key.default}\``,
            cell(key.doc),
        ].join(" | ");
    const table = (head: string[], rows: string[]) =>
        [
            `| ${head.join(" | ")} |`,
            `| ${head.map(() => "---").join(" | ")} |`,
            ...rows.map((text) => `| ${text} |`),
        ].join("\n");
    const columns = ["key", "secret", "value", "default", "meaning"];
    return `# Configuration

<!-- Made by npm run reference from the table in config.ts. -->

Keys of a stack, set with \`npm run pulumi -- config set <key> <value>\`, secrets with \`--secret\`; \`npm start\` or
\`pulumi up\` applies them. Every problem of a configuration is reported at once, before anything changes.

## Keys that take over a variable of the Compose file

${table(
    ["Compose variable", ...columns],
    entries.filter(([, key]) => key.compose !== undefined).map((entry) => row(entry, true)),
)}

## Further keys

${table(
    columns,
    entries.filter(([, key]) => key.compose === undefined).map((entry) => row(entry, false)),
)}

A value that is generated is made once, encrypted in the stack's state and protected there: \`npm stop\` keeps it. A value set
later wins over it.

## Fields of an entry of \`modelServers\`

${table(
    ["field", "default", "meaning"],
    Object.entries<{ doc: string; default?: string; required?: true }>(servedModelFields).map(([name, field]) =>
        [
            `\`${name}\``,
            field.required ? "required" : field.default === undefined ? "" : `\`${field.default}\``,
            cell(field.doc),
        ].join(" | "),
    ),
)}
`;
}

/** The rules as Markdown. */
export function rulesReference(): string {
    return `# Rules

<!-- Made by npm run reference from rules/. -->

What \`npm run preview\` judges every resource of every stack by ([previews.md](previews.md)), and the policy pack in \`policy/\`
likewise. A container that runs on has to keep all of them, a job all but health check and restart policy; a seed, which never
starts, those about capabilities, privileges, namespaces, mounts, log, credentials and image.

${rules
    .map(
        ({ id, title, reason, cure }) => `## ${id}

${title}

- **Why:** ${reason}
- **Cure:** ${cure}
`,
    )
    .join("\n")}`;
}

const marker = "    # Defaults of plain keys, made by npm run reference from config.ts.\n";

/** Pulumi.yaml with the defaults of all plain keys, so that \`pulumi config\` shows them. */
export function projectFile(current: string): string {
    const [head = ""] = current.split(marker);
    const defaults = entries
        .filter(([, key]) => key.default !== undefined && !key.secret)
        .map(
            ([name, key]) =>
                `    ${name}:\n        description: ${JSON.stringify(key.doc)}\n        default: ${JSON.stringify(key.default)}\n`,
        );
    return `${head}${marker}${defaults.join("")}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const { project } = placesOf(process.env);
    writeFileSync(join(project, "docs", "configuration.md"), configurationReference());
    writeFileSync(join(project, "docs", "rules.md"), rulesReference());
    const path = join(project, "Pulumi.yaml");
    writeFileSync(path, projectFile(readFileSync(path, "utf8")));
}
