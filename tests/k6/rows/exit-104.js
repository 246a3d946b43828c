// row: exit codes
// exit: 104
export const options = { scenarios: { a: { executor: 'constant-vus', vus: 1 } } };

export default function () {}
