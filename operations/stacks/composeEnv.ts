/**
 * Reads a `.env` file as Docker Compose does (docs.docker.com, "Syntax for environment files in Docker Compose"; compose-go,
 * package dotenv). The npm package dotenv does not: it ends `pass#word` at the `#`, and no longer tells `'$x'`, which is literal,
 * from `"$x"`; dotenv-expand expands a value again that a variable brought in. Either would change a password without a word.
 */
import { basename } from "node:path";

/** What a file holds. */
export interface ComposeEnv {
    /** Each variable's last value. One that the file only names (`NAME` alone) has the environment's, or is not here. */
    readonly variables: ReadonlyMap<string, string>;
    /** Variables that stand there more than once. */
    readonly repeated: readonly string[];
    /** Variables that a value refers to, which are nowhere set: Compose puts an empty string there. */
    readonly unresolved: readonly { readonly variable: string; readonly missing: string }[];
    /** What cannot be read, a line each, without values. */
    readonly problems: readonly string[];
}

/**
 * The name that Compose gives a project: COMPOSE_PROJECT_NAME (`given`), else the directory's name, in lower case with only
 * letters, digits, hyphens and underscores (Compose manual, "Specify a project name").
 */
export function composeProject(directory: string, given: string | undefined): string {
    return (given !== undefined && given !== "" ? given : basename(directory))
        .toLowerCase()
        .replace(/[^a-z0-9_-]/g, "")
        .replace(/^[_-]+/, "");
}

const escapes: Readonly<Record<string, string>> = {
    "\\": "\\",
    // A dollar sign that stands for itself.
    $: "$$",
    a: "\u0007",
    b: "\b",
    f: "\f",
    n: "\n",
    r: "\r",
    t: "\t",
    v: "\v",
};

/** A defect of one value, without the value. */
class Defect extends Error {}

/** Index of the brace that ends the `${` at `start`, or -1. */
function closingBrace(text: string, start: number): number {
    let open = 0;
    for (let index = start; index < text.length; index += 1) {
        if (text.startsWith("${", index)) {
            open += 1;
        } else if (text[index] === "}") {
            open -= 1;
            if (open === 0) {
                return index;
            }
        }
    }
    return -1;
}

/** Puts variables in: `$A`, `${A}`, `${A:-default}` and its kin, nested; `$$` is a dollar sign. Throws a Defect. */
function interpolated(text: string, lookup: (name: string) => string | undefined): string {
    const at = text.indexOf("$");
    if (at === -1) {
        return text;
    }
    const before = text.slice(0, at);
    const after = (index: number) => interpolated(text.slice(index), lookup);
    if (text[at + 1] === "$") {
        return `${before}$${after(at + 2)}`;
    }
    const name = /^[A-Za-z_]\w*/.exec(text.slice(at + 1))?.[0];
    if (name !== undefined) {
        return `${before}${lookup(name) ?? ""}${after(at + 1 + name.length)}`;
    }
    if (text[at + 1] !== "{") {
        return `${before}$${after(at + 1)}`;
    }
    const end = closingBrace(text, at);
    const [, braced, operator, argument = ""] =
        /^([A-Za-z_]\w*)(?:(:?[-+?])([^]*))?$/.exec(text.slice(at + 2, Math.max(end, at + 2))) ?? [];
    if (braced === undefined) {
        throw new Defect("has a ${…} that Compose does not know: a dollar sign that is meant as such is $$");
    }
    return `${before}${expression(braced, operator, argument, lookup)}${after(end + 1)}`;
}

/** Value of `${name<operator>argument}`. */
function expression(
    name: string,
    operator: string | undefined,
    argument: string,
    lookup: (name: string) => string | undefined,
): string {
    if (operator === undefined) {
        return lookup(name) ?? "";
    }
    // An operator that asks does not count as a use without a value.
    const value = lookup(name);
    const there = operator.startsWith(":") ? value !== undefined && value !== "" : value !== undefined;
    switch (operator.at(-1)) {
        case "+":
            return there ? interpolated(argument, lookup) : "";
        case "?":
            if (!there) {
                throw new Defect(`needs the variable ${name}, which is not set`);
            }
            return value ?? "";
        default:
            return there ? (value ?? "") : interpolated(argument, lookup);
    }
}

/** Reads the text of a file. `environment` is the shell's, which Compose prefers to the file where a value refers to a variable. */
export function readComposeEnv(text: string, environment: Readonly<Record<string, string | undefined>>): ComposeEnv {
    const variables = new Map<string, string>();
    const repeated = new Set<string>();
    const unresolved: { variable: string; missing: string }[] = [];
    const problems: string[] = [];
    let position = text.startsWith("\ufeff") ? 1 : 0;
    /** Takes what the pattern finds at the position. */
    const take = (pattern: RegExp): RegExpExecArray | null => {
        const sticky = new RegExp(pattern, "uy");
        sticky.lastIndex = position;
        const found = sticky.exec(text);
        position += found?.[0].length ?? 0;
        return found;
    };
    const line = () => text.slice(0, position).split("\n").length;
    const problem = (what: string, at = line()) => {
        problems.push(`line ${at}: ${what}`);
        take(/[^\n]*/);
    };
    const valueOf = (variable: string, raw: string): string => {
        const missing = new Set<string>();
        const value = interpolated(raw, (name) => {
            const found = environment[name] ?? variables.get(name);
            if (found === undefined) {
                missing.add(name);
            }
            return found;
        });
        // A default that stands for it is no surprise.
        const plain = [...missing].filter((name) => new RegExp(`\\$(${name}\\b|\\{${name}\\})`).test(raw));
        unresolved.push(...plain.map((name) => ({ variable, missing: name })));
        return value;
    };

    while (take(/(\s|#[^\n]*)*/) !== null && position < text.length) {
        const name = take(/(?:export[^\S\n]+)?([\p{L}\p{N}_.\-[\]]+)[^\S\n]*/u)?.[1];
        if (name === undefined) {
            problem("is not NAME=value");
            continue;
        }
        if (take(/[=:][^\S\n]*/) === null) {
            if (position < text.length && text[position] !== "\n") {
                problem("is not NAME=value");
            } else if (environment[name] !== undefined) {
                variables.set(name, environment[name]);
            }
            continue;
        }
        const start = line();
        const quoted = take(/'((?:\\[^]|[^'\\])*)'|"((?:\\[^]|[^"\\])*)"/);
        if (quoted === null && /['"]/.test(text[position] ?? "")) {
            problem(`${name} begins with a quote that is never closed`);
            break;
        }
        if (quoted !== null && take(/[^\S\n]*(#[^\n]*)?(?=\n|$)/) === null) {
            problem(`${name} has something after its closing quote`, start);
            continue;
        }
        if (variables.has(name)) {
            repeated.add(name);
        }
        try {
            const [, single, double] = quoted ?? [];
            if (single !== undefined) {
                variables.set(name, single.replaceAll("\\'", "'"));
            } else if (double !== undefined) {
                const unescaped = double.replace(/\\([^])/g, (all, c: string) => (c === '"' ? c : (escapes[c] ?? all)));
                variables.set(name, valueOf(name, unescaped));
            } else {
                const bare = take(/[^\n]*/)?.[0] ?? "";
                variables.set(name, valueOf(name, bare.split(" #", 1)[0]?.trimEnd() ?? ""));
            }
        } catch (error) {
            if (!(error instanceof Defect)) {
                throw error;
            }
            problems.push(`line ${start}: ${name} ${error.message}`);
        }
    }
    return { variables, repeated: [...repeated], unresolved, problems };
}
