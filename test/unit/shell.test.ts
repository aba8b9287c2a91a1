/** The one quoting for a shell: of commands that are printed to be run, and of files that a shell reads. */
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shellWord } from "../../components/shell.ts";
import { text } from "./support/texts.ts";

describe("a word of a shell's line", () => {
    it.each([
        ["mlflow", "mlflow"],
        ["/srv/minio", "/srv/minio"],
        ["http://proxy:3128", "http://proxy:3128"],
        ["a_b-C.9", "a_b-C.9"],
        ["-x", "-x"],
        ["", "''"],
        ["a b", "'a b'"],
        ["it's", "'it'\\''s'"],
        ["'", "''\\'''"],
        ["$(id)", "'$(id)'"],
        ["~/data", "'~/data'"],
        ["a=b", "'a=b'"],
        ["a\nb", "'a\nb'"],
        ["mlflow\n", "'mlflow\n'"],
        ["ä", "'ä'"],
    ])("for %j is %s", (value, word) => {
        expect(shellWord(value)).toBe(word);
    });

    it("is read as the very text, whatever that is", () => {
        const any = fc.oneof(
            text,
            fc.string({
                unit: fc.constantFrom(...Array.from("'\"\\$`!#&;|<>(){}[]*?~^ \n\tä=aZ09_.:/-,@%+")),
                maxLength: 12,
            }),
        );
        // A few runs with many texts each: every run starts a shell.
        fc.assert(
            fc.property(fc.array(any, { minLength: 20, maxLength: 40 }), (values) => {
                const output = execFileSync("/bin/sh", ["-c", `printf '%s\\0' ${values.map(shellWord).join(" ")}`]);
                expect(output.toString().split("\0").slice(0, -1)).toEqual(values);
            }),
            { numRuns: 20 },
        );
    });
});
