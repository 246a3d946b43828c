// row: runs of less than a second
// squall: true true
// k6: false false
export const options = { vus: 1, iterations: 1 };

export default function () {}

export function handleSummary(data) {
  console.log('vus' in data.metrics, 'vus_max' in data.metrics);
  return {};
}
