/** A program without a resource, in the place of index.ts: what Pulumi itself takes. */
import "@pulumi/pulumi";
