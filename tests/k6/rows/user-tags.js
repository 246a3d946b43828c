// row: tags of exec.vu.tags
// both: checks 2
// squall: iterations 0
// k6: iterations 2
import { check } from 'k6';
import exec from 'k6/execution';

export const options = {
  vus: 1,
  iterations: 2,
  thresholds: { 'iterations{mine:x}': ['count>=0'], 'checks{mine:x}': ['rate==1'] },
};

export default function () {
  exec.vu.tags.mine = 'x';
  check(1, { one: (n) => n === 1 });
}

export function handleSummary(data) {
  console.log('checks', data.metrics['checks{mine:x}'].values.passes);
  console.log('iterations', data.metrics['iterations{mine:x}'].values.count);
  return {};
}
