// row: users beyond preAllocatedVUs
// squall: made 1
// squall: made 2
// squall: made 3
// k6: made 1
export const options = {
  scenarios: { a: { executor: 'constant-arrival-rate', rate: 2, duration: '1s', preAllocatedVUs: 1, maxVUs: 3 } },
};

if (__VU > 0) console.log('made', __VU);

export default function () {}
