export const advice: string;
export function fits(version: string): boolean;
