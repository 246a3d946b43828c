// row: iterations that test.abort leaves undone
// exit: 108
// squall: 2
// k6: 0
import exec from 'k6/execution';

export const options = { vus: 1, iterations: 5 };

export default function () {
  if (__ITER === 2) exec.test.abort('enough');
}

export function handleSummary(data) {
  console.log('dropped_iterations' in data.metrics ? data.metrics.dropped_iterations.values.count : 0);
  return {};
}
