import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readComposeEnv } from "../../../operations/stacks/composeEnv.ts";

const environment = { HOME: "/home/ana", EMPTY: "" };
const read = (text: string) => readComposeEnv(text, environment);
const values = (text: string) => Object.fromEntries(read(text).variables);

/** Text of a file, and what compose-go 2.16.2 (package dotenv) reads in it; undefined where it ends with an error. */
const asComposeReads: readonly (readonly [string, Readonly<Record<string, string>> | undefined])[] = [
    ["A=1", { A: "1" }],
    ["A = 1", { A: "1" }],
    ["A=", { A: "" }],
    ["A=''", { A: "" }],
    ['A=""', { A: "" }],
    ["export A=1", { A: "1" }],
    ["export\tA=1", { A: "1" }],
    ["A: 1", { A: "1" }],
    ["\ufeffA=1", { A: "1" }],
    ["A=1\r\nB=2\r\n", { A: "1", B: "2" }],
    ["# c\n\nA=1", { A: "1" }],
    ["A=1 # c", { A: "1" }],
    ["A=1# no", { A: "1# no" }],
    ["A=pass#word", { A: "pass#word" }],
    ["A=#x", { A: "#x" }],
    ["A= # only comment", { A: "# only comment" }],
    ["A='1' # c", { A: "1" }],
    ["A='a # b'", { A: "a # b" }],
    ["A='it\\'s'", { A: "it's" }],
    ['A="q\\"q"', { A: 'q"q' }],
    ['A="a\\nb"', { A: "a\nb" }],
    ['A="a\\tb\\\\c"', { A: "a\tb\\c" }],
    ["A='a\\nb'", { A: "a\\nb" }],
    ["A=a\\nb", { A: "a\\nb" }],
    ['A="two\nlines"', { A: "two\nlines" }],
    ["A='two\nlines'", { A: "two\nlines" }],
    ["A=1\nA=2", { A: "2" }],
    ["A=1\nB=$A", { A: "1", B: "1" }],
    ["A=1\nB=${A}x", { A: "1", B: "1x" }],
    ["A=1\nB='${A}'", { A: "1", B: "${A}" }],
    ['A=1\nB="${A}"', { A: "1", B: "1" }],
    ["B=${A:-d}", { B: "d" }],
    ["A=\nB=${A:-d}", { A: "", B: "d" }],
    ["A=\nB=${A-d}", { A: "", B: "" }],
    ["B=${A-d}", { B: "d" }],
    ["A=1\nB=${A:+r}", { A: "1", B: "r" }],
    ["B=${A:+r}", { B: "" }],
    ["A=\nB=${A+r}", { A: "", B: "r" }],
    ["B=${A:?boom}", undefined],
    ["A=1\nB=${A:?boom}", { A: "1", B: "1" }],
    ["A=1\nB=${C:-${A}}", { A: "1", B: "1" }],
    ["B=${C:-${D:-e}}", { B: "e" }],
    ["A=a$$b", { A: "a$b" }],
    ["A=$$", { A: "$" }],
    ['A="a$$b"', { A: "a$b" }],
    ["A='a$$b'", { A: "a$$b" }],
    ["A=a\\$b", { A: "a\\" }],
    ['A="a\\$b"', { A: "a$b" }],
    ["A=a$", { A: "a$" }],
    ["A=a$1", { A: "a$1" }],
    ["A=a$-b", { A: "a$-b" }],
    ["A=${HOME}/x", { A: "/home/ana/x" }],
    ["HOME=/y\nA=$HOME", { A: "/home/ana", HOME: "/y" }],
    ["A=~/x", { A: "~/x" }],
    ["EMPTY=1", { EMPTY: "1" }],
    ["A\nB=1", { B: "1" }],
    ["A B=1", undefined],
    ["A-B=1", { "A-B": "1" }],
    ["A.B=1", { "A.B": "1" }],
    ["1A=1", { "1A": "1" }],
    ["A='unterminated", undefined],
    ['A="unterminated\nB=1', undefined],
    ["A=`b`", { A: "`b`" }],
    ["A=x'y'", { A: "x'y'" }],
    ["A= 'x' ", { A: "x" }],
    ["A=a b  c ", { A: "a b  c" }],
    ["A='x'\nB='$A'\nC=$A", { A: "x", B: "$A", C: "x" }],
    ["A='p$w'\nB=$A", { A: "p$w", B: "p$w" }],
    ["A=a\\", { A: "a\\" }],
    ['A="a\\zb"', { A: "a\\zb" }],
    ['A="\\\\$B"', { A: "\\" }],
    ["A=http://s3:9000", { A: "http://s3:9000" }],
    ['A="x"# c', { A: "x" }],
    ["A=x\ty", { A: "x\ty" }],
    ["A=x\t# c", { A: "x\t# c" }],
    ["  A=1", { A: "1" }],
    ["A==1", { A: "=1" }],
    ["B=${A", undefined],
    ["B=${}", undefined],
    ["B=${A b}", undefined],
    ["A=\u00e9\u00a0", { A: "\u00e9" }],
    ['A="${B:-a b}"', { A: "a b" }],
    ["A=${B:-a # b}", undefined],
    ["A='a''b'", undefined],
    ['A="a""b"', undefined],
    ['A= \t"a"', { A: "a" }],
    ['A="a\\\\"', { A: "a\\" }],
    ["A='a\\\\'", { A: "a\\\\" }],
    ['A="x\\\'y"', { A: "x\\'y" }],
    ['A="it\'s"', { A: "it's" }],
    ["A:1", { A: "1" }],
    ["A=b:c", { A: "b:c" }],
    ['A="\\u0041"', { A: "\\u0041" }],
    ["A=a\\tb", { A: "a\\tb" }],
    ["A=\\n", { A: "\\n" }],
];

describe("a .env file", () => {
    it.each(asComposeReads)("is read as Compose reads it: %j", (text, expected) => {
        const { problems } = read(text);
        if (expected === undefined) {
            expect(problems).toHaveLength(1);
        } else {
            expect(problems).toEqual([]);
            expect(values(text)).toEqual(expected);
        }
    });

    it("may name a variable that the shell sets; one that it does not set is not there", () => {
        expect(values("HOME\nA")).toEqual({ HOME: "/home/ana" });
        expect(values("export HOME")).toEqual({ HOME: "/home/ana" });
    });

    it("says which variables stand there twice; the last wins", () => {
        expect(read("A=1\nB=2\nA=3\nA=4").repeated).toEqual(["A"]);
        expect(values("A=1\nB=2\nA=3\nA=4")).toEqual({ A: "4", B: "2" });
    });

    it("says which variables a value misses, unless it has a default for them", () => {
        expect(read("A=x$B${C}y${D:-z}${E:+w}").unresolved).toEqual([
            { variable: "A", missing: "B" },
            { variable: "A", missing: "C" },
        ]);
    });

    it.each([
        ["A=1\nnot a line\nB=2", "line 2: is not NAME=value", { A: "1", B: "2" }],
        ["A=1\n\n'x'=2\nB=2", "line 3: is not NAME=value", { A: "1", B: "2" }],
        ["=1\nB=2", "line 1: is not NAME=value", { B: "2" }],
        ["A='a' b\nB=2", "line 1: A has something after its closing quote", { B: "2" }],
        ["A=1\nB='x\ny", "line 2: B begins with a quote that is never closed", { A: "1" }],
        ["A=1\nB='x\ny' z\nC=3", "line 2: B has something after its closing quote", { A: "1", C: "3" }],
        ["B=${A:?boom}", "line 1: B needs the variable A, which is not set", {}],
        [
            "B=pa${ss\nC=3",
            "line 1: B has a ${…} that Compose does not know: a dollar sign that is meant as such is $$",
            { C: "3" },
        ],
    ])("says by its line what cannot be read, and shows no value: %j", (text, problem, rest) => {
        expect(read(text).problems).toEqual([problem]);
        expect(values(text)).toEqual(rest);
    });

    it("gives back every value between single quotes, and every one between double quotes with its signs escaped", () => {
        fc.assert(
            fc.property(fc.string({ unit: "grapheme" }), (value) => {
                const single = value.replaceAll("\\", "/");
                expect(values(`A='${single.replaceAll("'", "\\'")}'\nB=1`)).toEqual({ A: single, B: "1" });
                expect(values(`A="${value.replace(/["\\$]/g, "\\$&")}"`)).toEqual({ A: value });
            }),
        );
    });

    it("is read to its end, whatever it holds", () => {
        const sign = fc.constantFrom(
            "A",
            "=",
            "$",
            "{",
            "}",
            ":",
            "-",
            "?",
            "'",
            '"',
            "\\",
            "#",
            " ",
            "\n",
            "\r",
            "\ufeff",
        );
        fc.assert(
            fc.property(fc.string({ unit: sign, maxLength: 40 }), (text) => {
                expect(() => read(text)).not.toThrow();
            }),
        );
    });
});
