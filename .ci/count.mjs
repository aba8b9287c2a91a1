// The gate's last line, from vitest's JSON report: "N passed, N failed". The report is empty where nothing ran.
import { readFileSync } from "node:fs";

const text = readFileSync(process.argv[2], "utf8");
const report = text === "" ? { success: false } : JSON.parse(text);
const { numPassedTests = 0, numFailedTests = 0, numPendingTests = 0, success } = report;
if (numPendingTests > 0) {
    console.log(`skipped: ${numPendingTests}`);
}
// A test file that does not load fails without a test that does.
console.log(`${numPassedTests} passed, ${success || numFailedTests > 0 ? numFailedTests : 1} failed`);
