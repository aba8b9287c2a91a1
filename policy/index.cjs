// Pulumi loads a policy pack by require(), with a TypeScript of its own that does not know this project's; so the pack is
// plain JavaScript that has Node.js load the rest.
module.exports = import("./pack.mjs");
