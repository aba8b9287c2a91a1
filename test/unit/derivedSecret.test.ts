/** Credentials that are derived from one secret: each for its purpose, and none of them another's. */
import { createHmac } from "node:crypto";
import fc from "fast-check";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { accountPurpose, derivedSecret, derivedText, tokenPurpose } from "../../components/derivedSecret.ts";
import { record, valueOf } from "./support/recording.ts";

const anyText = fc.string({ unit: "grapheme", maxLength: 40 });

describe("a derived text", () => {
    it("is the same for ever: HMAC-SHA256 of its purpose, in the letters of a URL", () => {
        // With openssl: printf 'token iris 1' | openssl dgst -sha256 -hmac key -binary | basenc --base64url
        expect(derivedText("key", "token iris 1")).toBe("8lOxrVRYcbuu7Nb15RQRG_l4H1EAFIqlETayvKC9AsU");
        expect(derivedText("key", "token iris 1")).toBe(
            createHmac("sha256", "key").update("token iris 1").digest("base64url"),
        );
    });

    it("can stand in a URL, a header and a file of credentials as it is", () => {
        fc.assert(
            fc.property(anyText, anyText, (secret, purpose) => {
                const text = derivedText(secret, purpose);
                expect(text).toMatch(/^[A-Za-z0-9_-]{43}$/);
                expect(encodeURIComponent(text)).toBe(text);
                expect(derivedText(secret, purpose)).toBe(text);
            }),
        );
    });

    it("is another one for another purpose or another secret", () => {
        fc.assert(
            fc.property(anyText, anyText, anyText, (one, other, purpose) => {
                fc.pre(one !== other);
                expect(derivedText(purpose, one)).not.toBe(derivedText(purpose, other));
            }),
        );
        expect(derivedText("one", "token iris 1")).not.toBe(derivedText("other", "token iris 1"));
    });
});

describe("the purposes of served models", () => {
    it("are these", () => {
        expect(accountPurpose({ name: "iris" })).toBe("account iris");
        expect(tokenPurpose({ name: "iris", tokenVersion: 2 })).toBe("token iris 2");
    });

    it("are each one model's alone, and one version's", () => {
        const model = fc.record({
            name: fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$/),
            tokenVersion: fc.integer({ min: 1, max: 999999999 }),
        });
        fc.assert(
            fc.property(model, model, (one, other) => {
                expect(accountPurpose(one) === accountPurpose(other)).toBe(one.name === other.name);
                expect(tokenPurpose(one) === tokenPurpose(other)).toBe(
                    one.name === other.name && one.tokenVersion === other.tokenVersion,
                );
                expect(accountPurpose(one)).not.toBe(tokenPurpose(other));
            }),
        );
    });
});

describe("a derived secret", () => {
    it.each<[string, pulumi.Input<string>]>([
        ["a secret", pulumi.secret("key")],
        ["an output that nobody marked", pulumi.output("key")],
        ["a text", "key"],
    ])("is secret, and registers nothing: from %s", async (_words, from) => {
        const { result, registrations } = await record(() => derivedSecret(from, "token iris 1"));
        expect(await valueOf(result)).toBe(derivedText("key", "token iris 1"));
        expect(await pulumi.isSecret(result)).toBe(true);
        expect(registrations).toEqual([]);
    });
});
