/** The decisions of an import as a table. */
import Table from "cli-table3";
import type { Row } from "./importDecisions.ts";

const hidden = "••••••••";

/** A column's width: what its longest text takes with the blanks beside it, up to `most`. */
function widthOf(texts: readonly string[], most: number): number {
    return Math.min(most, Math.max(...texts.map((text) => text.length)) + 2);
}

/** Breaks what has no blank to break at, such as a path. */
function broken(text: string, width: number): string {
    return text.replace(new RegExp(`[^ ]{${width}}(?=[^ ])`, "g"), "$&\n");
}

/** Draws the rows, `width` columns wide. What is secret, or may be because nobody knows what it is, is not shown. */
export function importTable(rows: readonly Row[], width = 140): string {
    const cells = rows.map(({ variable, keys, value, secret, decision, why }) => [
        variable,
        keys.join(" "),
        value === undefined || value === "" ? "" : secret ? hidden : value,
        decision,
        why,
    ]);
    const head = ["variable", "key", "value", "decision", "why"];
    const most = [40, 24, 30, 12];
    const widths = most.map((limit, column) =>
        widthOf(
            [head, ...cells].map((row) => row[column] ?? ""),
            limit,
        ),
    );
    // The borders take a column each.
    const why = Math.max(30, width - widths.reduce((sum, part) => sum + part + 1, 2));
    const colWidths = [...widths, why];
    const table = new Table({
        head,
        colWidths,
        wordWrap: true,
        // No colours: the table is read in logs as well.
        style: { head: [], border: [], compact: true },
    });
    table.push(...cells.map((row) => row.map((text, column) => broken(text, (colWidths[column] ?? 0) - 2))));
    return table.toString();
}
