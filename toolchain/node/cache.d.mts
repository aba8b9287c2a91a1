export function xdgDirectory(variable: string | undefined, ...unset: string[]): string;
export function cacheDirectory(env: NodeJS.ProcessEnv): string;
