// row: k6/execution
// row: exit codes
// exit: 108
import exec from 'k6/execution';
import { sleep } from 'k6';

export const options = { vus: 1, duration: '9s' };

export default function () {
  sleep(0.05);
  if (__ITER === 2) exec.test.abort('enough');
}

export function teardown() {
  console.log('teardown');
}
