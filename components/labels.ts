/**
 * Labels by which the platform's containers, volumes and networks are found on an engine, whoever's state they are in.
 */
import * as pulumi from "@pulumi/pulumi";

/** The label that holds the project's name. */
export const projectLabel = "mlflow-platform.project";
/** The label that holds the stack's name. */
export const stackLabel = "mlflow-platform.stack";
/** The label that says which state made the object: user, host and a random suffix. */
export const originLabel = "mlflow-platform.origin";

/** Label → value, the same for all that one stack makes. */
export type Labels = Readonly<Record<string, pulumi.Input<string>>>;
