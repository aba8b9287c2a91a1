// The gate's last line, from what test/seconds.ts has counted: "N passed, N failed". The file is empty where nothing ran.
import { readFileSync } from "node:fs";

const text = readFileSync(process.argv[2], "utf8");
const report = text === "" ? {} : JSON.parse(text);
const { numPassedTests = 0, numFailedTests = 0, numPendingTests = 0, success = false } = report;
if (numPendingTests > 0) {
    console.log(`skipped: ${numPendingTests}`);
}
// A test file that does not load, or a run that was ended before its end, fails without a test that does.
console.log(`${numPassedTests} passed, ${success || numFailedTests > 0 ? numFailedTests : 1} failed`);
