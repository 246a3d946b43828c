// row: module code
// both: 0
// both: 1
// both: setup
// squall: 0
// k6: 0
// k6: 0
export const options = { vus: 1, iterations: 1 };

console.log(__VU);

export function setup() {
  console.log('setup');
}

export default function () {}
