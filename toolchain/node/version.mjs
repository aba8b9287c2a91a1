// Which Node.js runs this project. Plain JavaScript that any Node.js with modules runs, since an old one asks, too.

/** The cure of an old Node.js. */
export const advice = "Install Node.js 24 (or ^22.22.2, ^24.15.0, >=26): https://nodejs.org/en/download";

/** Whether a version, such as "24.15.0", is in the range of `engines` in package.json. */
export function fits(version) {
    const [major, minor, patch] = version.split(".").map(Number);
    const least = { 22: [22, 2], 24: [15, 0] }[major];
    return least === undefined ? major >= 26 : minor > least[0] || (minor === least[0] && patch >= least[1]);
}
