// row: exit codes
// exit: 99
import { sleep } from 'k6';
import { Counter } from 'k6/metrics';

const seen = new Counter('seen');

export const options = { vus: 1, iterations: 3, thresholds: { seen: ['count<2'] } };

export default function () {
  seen.add(1);
  sleep(0.01);
}
