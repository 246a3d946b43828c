// row: k6/execution
// exit: 108
import exec from 'k6/execution';

export const options = { vus: 1, iterations: 5 };

export default function () {
  if (__ITER === 2) exec.test.abort('enough');
}

export function handleSummary(data) {
  console.log('dropped', 'dropped_iterations' in data.metrics);
  return {};
}
