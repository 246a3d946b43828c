// row: option rps
// exit: 104
// says: option `rps` is not supported: limit the rate with a constant-arrival-rate scenario
export const options = { rps: 10 };

export default function () {}
