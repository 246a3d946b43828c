// row: exit codes
// exit: 255
export const nothing = 1;
