// row: externally-controlled
// exit: 104
// says: externally-controlled is not supported: use ramping-vus
export const options = { scenarios: { a: { executor: 'externally-controlled', vus: 1, duration: '1s' } } };

export default function () {}
