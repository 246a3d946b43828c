// row: exit codes
// exit: 100
import { sleep } from 'k6';

export const options = { setupTimeout: '200ms' };

export function setup() {
  sleep(9);
}

export default function () {
  console.log('never');
}
