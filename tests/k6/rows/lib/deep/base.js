export const base = 14;
