/** The copies of a takeover: made beside what the stack serves, which goes on. */
import { readFileSync, rmSync } from "node:fs";
import { stopIfInterrupted } from "../interruption.ts";
import { type Say, runSteps } from "../progress.ts";
import type { Found } from "./checks.ts";
import { completeCopy, databaseNames, dropCopy, dump, privateFile, restore, rowsOfCopy } from "./databases.ts";
import type { Earlier } from "./earlier.ts";
import { rowDifferences, size } from "./findings.ts";
import type { TakeoverOptions } from "./options.ts";
import type { TakeoverFiles } from "./record.ts";
import type { Target } from "./target.ts";

/** Makes copies of everything beside what the stack serves. */
export async function prepare(
    target: Target,
    earlier: Earlier,
    { disk, database, oldData }: Found,
    options: TakeoverOptions,
    files: TakeoverFiles,
): Promise<void> {
    const { copy } = databaseNames(target);
    const { bucket } = earlier;
    await runSteps([
        {
            title: "Dump of the earlier database",
            run: (say) =>
                dump(
                    target,
                    earlier,
                    database.tables,
                    options.network ?? earlier.network ?? target.network,
                    files.dump,
                    say,
                ),
        },
        ...(options.inPlace
            ? []
            : [
                  {
                      title: "Copy of the objects",
                      run: async (say: Say) => {
                          const trees = await target.ask<
                              Record<"old" | "new", { files: number; bytes: number; sha256: string }>
                          >(["copy", "--bucket", bucket], target.withData(oldData), say);
                          if (
                              JSON.stringify(trees.old) !== JSON.stringify(trees.new) ||
                              trees.new.files !== disk.files
                          ) {
                              throw new Error(`the copy differs: ${JSON.stringify(trees)}`);
                          }
                          return `${disk.objects} objects, ${size(trees.new.bytes)}, the same contents`;
                      },
                  },
              ]),
        {
            title: "Copy of the database",
            run: async (say) => {
                await restore(target, files.dump);
                say("counting its rows");
                const rows = await rowsOfCopy(target, database.tables);
                const differences = rowDifferences(database.rows ?? {}, rows);
                if (differences.length > 0) {
                    throw new Error(`the copy has other numbers of rows: ${differences.join(", ")}`);
                }
                return `the same rows in ${Object.keys(rows).length} tables`;
            },
        },
        {
            title: "Migration of the copy",
            run: async (say) => {
                const result = await target.ask<{ refused?: string; migrated?: string }>(
                    ["migrate"],
                    target.asOwner(copy),
                    say,
                );
                if (result.refused !== undefined) {
                    throw new Error(result.refused);
                }
                await completeCopy(target);
                return result.migrated?.replace(/^.* is at /, "");
            },
        },
        {
            title: "Locations",
            run: async (say) => {
                const prefix = options.prefix === undefined ? [] : ["--prefix", options.prefix];
                await target.python(
                    ["rewrite", "--bucket", bucket, ...prefix],
                    { ...target.asOwner(copy), outputFile: privateFile(files.locations) },
                    say,
                );
                const changes = readFileSync(files.locations, "utf8").split("\n").length - 1;
                return `${changes} rewritten`;
            },
        },
    ]);
    stopIfInterrupted();
}

/** Takes the copies away, and what was kept of the earlier database. */
export async function discard(target: Target, files: TakeoverFiles): Promise<void> {
    await runSteps([
        {
            title: "Clearing up",
            run: async (say) => {
                await dropCopy(target);
                await target.ask(["discard"], target.withData(), say);
                for (const file of [files.dump, files.locations]) {
                    rmSync(file, { force: true });
                }
                return undefined;
            },
        },
    ]);
}
