import * as pulumi from "@pulumi/pulumi";

/**
 * An error of an update that is for the user: what is wrong and what to do. It is shown as its message alone.
 *
 * It has no stack: the SDK inspects every error that has one (`defaultErrorMessage` in `@pulumi/pulumi/cmd/run`), and the
 * promises that hang on it take ten seconds and more to print.
 */
export class UpdateError extends pulumi.RunError {
    constructor(message: string) {
        super(message);
        this.stack = "";
    }
}
