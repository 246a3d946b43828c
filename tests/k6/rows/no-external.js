// row: externally-controlled
// exit: 104
// says: `executor` is externally-controlled, which squall has not
export const options = { scenarios: { a: { executor: 'externally-controlled', vus: 1, duration: '1s' } } };

export default function () {}
