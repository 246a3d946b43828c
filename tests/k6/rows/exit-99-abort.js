// row: exit codes
// row: options
// exit: 99
// counts: no
import { sleep } from 'k6';
import { Counter } from 'k6/metrics';

const seen = new Counter('seen');

export const options = { vus: 1, duration: '20s', thresholds: { seen: [{ threshold: 'count<2', abortOnFail: true, delayAbortEval: '1s' }] } };

export default function () {
  seen.add(1);
  sleep(0.1);
}
