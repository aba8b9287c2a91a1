const hex = (character: string, digits: number) => character.charCodeAt(0).toString(16).padStart(digits, "0");

/** Base64 of a secret anywhere in a longer text: three alignments, without the characters that depend on its neighbours. */
function base64Forms(secret: string): string[] {
    return [0, 1, 2].map((shift) => {
        const encoded = Buffer.from("\0".repeat(shift) + secret).toString("base64");
        return encoded.replace(/=+$/, "").slice(shift === 0 ? 0 : shift + 1, -1);
    });
}

/** Forms in which a secret may stand in a log: as it is, and as URIs, password files, JSON and base64 write it. */
function formsOf(secret: string): string[] {
    const uri = encodeURIComponent(secret);
    const json = JSON.stringify(secret).slice(1, -1);
    // As Python's urllib writes it.
    const quoted = uri.replace(/[!'()*]/g, (character) => `%${hex(character, 2).toUpperCase()}`);
    const base64 = [
        Buffer.from(secret).toString("base64"),
        // Of a short secret too little would be left.
        ...(secret.length < 8 ? [] : base64Forms(secret)),
    ];
    return [
        secret,
        ...[uri, quoted].flatMap((form) => [form, form.replaceAll("%2F", "/"), form.replaceAll("%20", "+")]),
        // As Python's json writes it.
        json.replace(/[^ -~]/g, (character) => `\\u${hex(character, 4)}`),
        secret.replace(/[\\:]/g, "\\$&"),
        json,
        ...base64.flatMap((form) => [form, form.replaceAll("+", "-").replaceAll("/", "_")]),
    ];
}

/** Replaces every secret in a text, whatever form it has there. */
export function scrub(text: string, secrets: readonly string[]): string {
    // A value of two or three characters stands in half the words of a log.
    const forms = secrets.filter((secret) => secret.length >= 4).flatMap(formsOf);
    return [...new Set(forms)]
        .sort((a, b) => b.length - a.length)
        .reduce((scrubbed, form) => scrubbed.replaceAll(form, "[secret]"), text);
}
