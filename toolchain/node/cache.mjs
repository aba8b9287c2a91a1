// Where what can be fetched or built again is kept. Plain JavaScript, because it is asked before any package is there.
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** A directory of the XDG Base Directory Specification: a variable that is empty or holds a relative path is ignored. */
export function xdgDirectory(variable, ...unset) {
    return variable !== undefined && isAbsolute(variable) ? variable : join(homedir(), ...unset);
}

/** This user's cache, which every checkout shares. */
export function cacheDirectory(env) {
    return join(xdgDirectory(env.XDG_CACHE_HOME, ".cache"), "mlflow-platform");
}
