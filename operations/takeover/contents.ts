/** What somebody has made in the stack: a takeover would take its place. */
import type { Say } from "../progress.ts";
import { counts, databaseNames } from "./databases.ts";
import type { Target } from "./target.ts";

const checked = "name = 'platform-check'";
const others = `experiments WHERE experiment_id <> 0 AND NOT ${checked}`;
const tagsOfDefault = "experiment_tags WHERE experiment_id = 0 AND key NOT LIKE 'mlflow.experiment%'";

/**
 * What a user can make in MLflow 3.17.2 that belongs to nothing else of it: table, and what is counted. What the server makes
 * by itself (jobs, leases, rollups, the first workspace, label schemas and what the web UI notes of an experiment) is not among it.
 */
export const selections: readonly { readonly what: string; readonly table: string; readonly selection?: string }[] = [
    { what: "experiments", table: "experiments", selection: others },
    { what: "notes of the experiment Default", table: "experiment_tags", selection: tagsOfDefault },
    {
        what: "runs",
        table: "runs",
        selection: `runs WHERE experiment_id = 0 OR experiment_id IN (SELECT experiment_id FROM ${others})`,
    },
    { what: "registered models", table: "registered_models" },
    { what: "logged models", table: "logged_models" },
    { what: "traces", table: "trace_info" },
    { what: "assessments", table: "assessments" },
    { what: "issues", table: "issues" },
    { what: "review queues", table: "review_queues" },
    { what: "label schemas", table: "label_schemas", selection: "label_schemas WHERE NOT is_default" },
    { what: "evaluation datasets", table: "evaluation_datasets" },
    { what: "scorers", table: "scorers" },
    { what: "webhooks", table: "webhooks", selection: "webhooks WHERE deleted_timestamp IS NULL" },
    { what: "secrets", table: "secrets" },
    { what: "gateway endpoints", table: "endpoints" },
    { what: "gateway models", table: "model_definitions" },
    { what: "guardrails", table: "guardrails" },
    { what: "budget policies", table: "budget_policies" },
    { what: "MCP servers", table: "mcp_servers" },
    { what: "workspaces", table: "workspaces", selection: "workspaces WHERE name <> 'default'" },
];

/**
 * The number of each kind of thing that somebody has made in the stack. The platform's own check is nobody. In place the
 * objects are the earlier installation's.
 */
export async function contents(target: Target, inPlace: boolean, say: Say): Promise<Record<string, number>> {
    const { own } = databaseNames(target);
    const there = new Set(await target.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public';", own));
    const rows = await counts(
        target,
        own,
        Object.fromEntries(
            selections
                .filter(({ table }) => there.has(table))
                .map(({ what, table, selection = table }) => [what, selection]),
        ),
    );
    if (inPlace) {
        return rows;
    }
    const [check = ""] = await target.sql(`SELECT experiment_id FROM experiments WHERE ${checked};`, own);
    const { objects } = await target.ask<{ objects: number }>(
        ["own", "--bucket", target.configuration.mlflowBucketName, "--but", check],
        target.withData(),
        say,
    );
    return { ...rows, objects };
}
