/** Tables for people: lines between the columns in a terminal, two spaces elsewhere, so that what is piped stays one line a row. */
import Table from "cli-table3";

/** Where a table goes. */
export interface Output {
    readonly isTTY?: boolean | undefined;
    /** Characters of a line. */
    readonly columns?: number | undefined;
}

/** No lines at all. */
const plain = {
    ...{ top: "", "top-mid": "", "top-left": "", "top-right": "" },
    ...{ bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
    ...{ left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: "  " },
};

/** Widths of the columns: what each needs, and the last as much as is left of the line, but never less than 20 characters. */
export function widthsOf(rows: readonly (readonly string[])[], line: number): number[] {
    const count = Math.max(...rows.map((row) => row.length));
    const natural = Array.from({ length: count }, (_, column) =>
        Math.max(...rows.flatMap((row) => (row[column] ?? "").split("\n").map((text) => text.length + 2))),
    );
    const before = natural.slice(0, -1).reduce((sum, width) => sum + width + 1, 1);
    return [...natural.slice(0, -1), Math.min(natural.at(-1) ?? 0, Math.max(20, line - before - 1))];
}

/** Rows as text, without a line break at the end. In a terminal the last column is wrapped so that a line has 100 characters at most. */
export function table(
    head: readonly string[],
    rows: readonly (readonly string[])[],
    { isTTY = false, columns = 100 }: Output = process.stdout,
): string {
    if (rows.length === 0) {
        return "";
    }
    const made = isTTY
        ? new Table({
              head: [...head],
              colWidths: widthsOf([head, ...rows], Math.min(columns, 100)),
              wordWrap: true,
              wrapOnWordBoundary: true,
              style: { head: [], border: [], compact: true },
          })
        : new Table({
              head: [...head],
              chars: plain,
              style: { head: [], border: [], compact: true, "padding-left": 0, "padding-right": 0 },
          });
    made.push(...rows.map((row) => [...row]));
    return made
        .toString()
        .split("\n")
        .map((line) => line.trimEnd())
        .join("\n");
}
