/** Texts as configuration lets them through, for properties of what is made of them. */
import fc from "fast-check";

/** No control characters, no blank at either end, not empty. */
export const text = fc
    .oneof(
        fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
        fc.string({ unit: fc.constantFrom(...Array.from("ab:\\@/?#%&=+[]\"' ;!$*")), minLength: 1, maxLength: 20 }),
    )
    .filter((some) => some.trim() === some && some !== "" && !Array.from(some).some((c) => c < " " || c === "\u007f"));

/** A URL parser takes these for directions, not for a name. */
export const name = text.filter((some) => ![".", ".."].includes(some));

/** Where a database is, and a login. */
export const address = fc.record({
    host: fc.constantFrom("postgres", "db.example.com", "10.0.0.1"),
    port: fc.integer({ min: 1, max: 65535 }),
    database: name,
    user: name,
    password: text,
});
