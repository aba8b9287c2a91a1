/** The policy pack; whoever loads this module serves it. */
import { PolicyPack } from "@pulumi/policy";
import { policies } from "./policies.ts";

new PolicyPack("mlflow-platform", { policies });
