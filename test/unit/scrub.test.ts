/** What logs lose before anybody sees them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scrub } from "../../components/scrub.ts";

const base64 = (value: string) => Buffer.from(value).toString("base64");

describe("log lines", () => {
    it.each<[string, string, string[], string]>([
        ["a secret as it is", "password=hunter2 hunter2", ["hunter2"], "password=[secret] [secret]"],
        ["a secret in base64", `basic ${Buffer.from("hunter2").toString("base64")}`, ["hunter2"], "basic [secret]"],
        ["a secret in a URL", "postgresql://u:p%2Fw%20d%3F@h/db", ["p/w d?"], "postgresql://u:[secret]@h/db"],
        ["a secret in a password file", "db:5432:mlflow:ana:p\\:w\\\\d", ["p:w\\d"], "db:5432:mlflow:ana:[secret]"],
        ["a secret in JSON", '{"password":"p\\"w\\\\d"}', ['p"w\\d'], '{"password":"[secret]"}'],
        ["a secret in a URL as Python writes it", "u:p%21w%27%28%29%2A@h", ["p!w'()*"], "u:[secret]@h"],
        ["a secret in a URL as JavaScript writes it", "u:p!w'()*%20@h", ["p!w'()* "], "u:[secret]@h"],
        ["a secret in JSON as Python writes it", '"p\\u00e4\\"\\ud83d\\ude00w"', ['pä"😀w'], '"[secret]"'],
        ["a secret with characters that Python's JSON leaves alone", '"p~w !"', ["p~w !"], '"[secret]"'],
        ["a secret after another value in base64", base64("ana:hunter22"), ["hunter22"], "YW5hOm[secret]y"],
        ["a secret at the start of a value in base64", base64("hunter22:ana"), ["hunter22"], "[secret]I6YW5h"],
        ["a secret inside a value in base64", base64("a.hunter22.a"), ["hunter22"], "YS5[secret]i5h"],
        [
            "enough of a secret of seven characters in the base64 of a longer value",
            base64("a:1234567:b"),
            ["1234567"],
            base64("a:1234567:b"),
        ],
        ["a secret of seven characters in base64 alone", base64("1234567"), ["1234567"], "[secret]"],
        ["several forms of one", "p:w/ p%3Aw%2F p\\:w/ cDp3Lw==", ["p:w/"], "[secret] [secret] [secret] [secret]"],
        ["a value of three characters, which stands in half the words", "the lather", ["the"], "the lather"],
        ["a value of three characters in any form", "dGhl the", ["the"], "dGhl the"],
        ["a value of four characters", "lather", ["athe"], "l[secret]r"],
        ["characters that mean something to a pattern", "x a.b*c$& y", ["a.b*c$&"], "x [secret] y"],
        ["the longer of two that begin alike", "longsecret long", ["long", "longsecret"], "[secret] [secret]"],
        ["a form that is longer than another secret in it", "a%3Ab%3A b%3A", ["b%3A", "a:b:"], "[secret] [secret]"],
        ["a secret that is given twice", "hunter2", ["hunter2", "hunter2"], "[secret]"],
        ["no secret at all", "all is well", [], "all is well"],
        ["an empty value", "all is well", [""], "all is well"],
        ["more than one line", "a hunter2\nb hunter2", ["hunter2"], "a [secret]\nb [secret]"],
    ])("without %s", (_words, text, secrets, expected) => {
        expect(scrub(text, secrets)).toBe(expected);
    });

    /** How programs write a value: as it is, in URIs, password files, JSON and base64. */
    const forms = (value: string): string[] => [
        value,
        Array.from(value, (character) => encodeURIComponent(character)).join(""),
        // Python's quote() without a character that is safe.
        Array.from(Buffer.from(value), (byte) => {
            const character = String.fromCharCode(byte);
            return /[\w.~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
        }).join(""),
        // Python's json.dumps().
        value
            .split("")
            .map((unit) =>
                unit === '"' || unit === "\\"
                    ? `\\${unit}`
                    : unit >= " " && unit <= "~"
                      ? unit
                      : `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
            )
            .join(""),
        Array.from(value, (character) => (":\\".includes(character) ? `\\${character}` : character)).join(""),
        JSON.stringify({ value }).slice('{"value":"'.length, -'"}'.length),
        base64(value),
    ];
    // Digits, punctuation and what is not ASCII: no letter of "[secret]" itself.
    const secretText = fc.string({
        unit: fc.constantFrom(...Array.from("0123456789/+%&?: \\\"!'()*~éß€😀\u007f")),
        minLength: 4,
        maxLength: 12,
    });
    const others = fc.string({ unit: fc.constantFrom(...Array.from('xyz09:/\\" \n')), maxLength: 8 });

    it("hold no secret of four characters or more, in any form, whatever stands around it", () => {
        fc.assert(
            fc.property(fc.array(secretText, { minLength: 1, maxLength: 4 }), others, (secrets, around) => {
                const scrubbed = scrub(secrets.flatMap(forms).join(around), secrets);
                for (const form of secrets.flatMap(forms)) {
                    expect(scrubbed).not.toContain(form);
                }
            }),
            { numRuns: 500 },
        );
    });

    it("lose nothing else", () => {
        // Letters that are in no secret and in no form of one.
        const letters = fc.string({ unit: fc.constantFrom(...Array.from("äöü\n")), maxLength: 10 });
        fc.assert(
            fc.property(letters, secretText, letters, (before, secret, after) => {
                for (const form of forms(secret)) {
                    expect(scrub(`${before}${form}${after}`, [secret])).toBe(`${before}[secret]${after}`);
                }
                expect(scrub(before + after, [secret])).toBe(before + after);
            }),
        );
    });

    it("hold nothing but the edges of a secret of eight characters or more in the base64 of a longer value", () => {
        const long = fc.string({
            unit: fc.constantFrom(...Array.from("0123456789+%é😀")),
            minLength: 8,
            maxLength: 30,
        });
        const neighbour = fc.string({ unit: fc.constantFrom(...Array.from("xyz:\n")), maxLength: 9 });
        fc.assert(
            fc.property(neighbour, long, neighbour, (before, secret, after) => {
                const whole = base64(before + secret + after);
                const scrubbed = scrub(whole, [secret]);
                expect(scrubbed.split("[secret]")).toHaveLength(2);
                const [left = "", right = ""] = scrubbed.split("[secret]");
                expect([whole.startsWith(left), whole.endsWith(right)]).toEqual([true, true]);
                // Six bits a character: those that hold bits of a neighbour, and the last one of the secret.
                const [start, end] = [before.length, before.length + Buffer.byteLength(secret)];
                expect(left.length).toBeLessThanOrEqual(Math.ceil((start * 8) / 6));
                expect(whole.length - right.length).toBeGreaterThanOrEqual(Math.ceil((end * 8) / 6) - 1);
            }),
            { numRuns: 1000 },
        );
    });
});
