/** Options of `npm run takeover`. */
import { UserError } from "../userError.ts";

/** As the command line has them. */
export interface TakeoverOptions {
    readonly stack: string;
    /** The earlier installation's `.env`. */
    readonly env?: string | undefined;
    /** Directory or volume of its MinIO, instead of MINIO_VOLUME_PATH. */
    readonly data?: string | undefined;
    /** Network on the engine that knows PG_HOST. Defaults to the stack's. */
    readonly network?: string | undefined;
    /** Where its server kept what it passed on itself (`--artifacts-destination`): a path in the bucket. */
    readonly prefix?: string | undefined;
    /** The stack's MinIO uses the earlier data already. */
    readonly inPlace?: boolean | undefined;
    readonly check?: boolean | undefined;
    readonly dryRun?: boolean | undefined;
    /** Instead of everything else. */
    readonly restoreLocations?: boolean | undefined;
}

/** --prefix as a path in the bucket, without slashes around it. Throws a UserError for a URL. */
export function prefixOf(prefix: string | undefined): string | undefined {
    if (prefix !== undefined && /^[a-z][a-z\d+.-]*:/i.test(prefix)) {
        throw new UserError(
            `--prefix is a path in the bucket, and ${prefix} is a URL.`,
            "Of --artifacts-destination s3://bucket/PATH it is PATH; without a path there, leave --prefix out.",
        );
    }
    const path = prefix?.replace(/^\/+|\/+$/g, "");
    return path === "" ? undefined : path;
}
