export function installed(project: string): boolean;
