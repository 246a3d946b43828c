// row: options
// counts: no
import { sleep } from 'k6';

export const options = {
  scenarios: {
    up: { executor: 'ramping-vus', startVUs: 1, stages: [{ duration: '500ms', target: 3 }, { duration: '500ms', target: 0 }], exec: 'nothing', gracefulRampDown: '0s' },
    rate: { executor: 'ramping-arrival-rate', startRate: 0, timeUnit: '1s', stages: [{ duration: '1s', target: 20 }], preAllocatedVUs: 4, exec: 'tick' },
    dropped: { executor: 'constant-arrival-rate', rate: 5, duration: '1s', preAllocatedVUs: 1, exec: 'slow', gracefulStop: '3s' },
  },
  thresholds: {
    'iterations{scenario:rate}': ['count>=7', 'count<=11'],
    'iterations{scenario:dropped}': ['count<=2'],
    dropped_iterations: ['count>=3'],
    vus_max: ['value>=6'],
  },
};

export function nothing() {
  sleep(0.6);
}

export function tick() {}

export function slow() {
  sleep(2);
}
