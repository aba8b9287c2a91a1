// The gate's last line, from vitest's JSON report: "N passed, N failed". The report is empty where nothing ran.
import { readFileSync } from "node:fs";

const text = readFileSync(process.argv[2], "utf8");
const { numPassedTests = 0, numFailedTests = 1, numPendingTests = 0 } = text === "" ? {} : JSON.parse(text);
const skipped = numPendingTests === 0 ? "" : `, ${numPendingTests} skipped`;
console.log(`${numPassedTests} passed, ${numFailedTests} failed${skipped}`);
