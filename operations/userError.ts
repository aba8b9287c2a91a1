/** An error for the user: what is wrong, and what to do about it. It is shown without a stack. */
export class UserError extends Error {
    /** The cure: one or more lines, a command where there is one. */
    readonly cure: string;

    constructor(message: string, cure: string) {
        super(message);
        this.cure = cure;
        this.name = "UserError";
    }
}
