// row: life
import http from 'k6/http';
import { check } from 'k6';

export const options = {
  scenarios: {
    users: { executor: 'per-vu-iterations', vus: 2, iterations: 2, exec: 'used', env: { SIZE: '40' } },
    spins: { executor: 'constant-vus', vus: 1, duration: '1s', gracefulStop: '100ms', exec: 'spins' },
    late: { executor: 'shared-iterations', vus: 1, iterations: 1, startTime: '200ms', gracefulStop: '1s' },
  },
};

let own = 0;

export function setup() {
  http.get(`${__ENV.BASE}/json`);
  return { list: [1, undefined], gone: undefined, when: new Date(0) };
}

export function used(data) {
  own += 1;
  check(data, { given: (d) => d.when === '1970-01-01T00:00:00Z', own: () => own === __ITER + 1 });
  console.log('used', __ENV.SIZE, JSON.stringify(data.list), 'gone' in data, own);
}

export function spins() {
  for (;;) {
    own += 1;
  }
}

export default function () {
  console.log('late');
}

export function teardown(data) {
  http.get(`${__ENV.BASE}/json`);
  console.log('teardown', data.list.length, own);
}

export function handleSummary(data) {
  const counts = Object.entries(data.metrics).filter(([name]) => /^(iterations|http_reqs|checks)$/.test(name));
  return { stdout: JSON.stringify(counts.sort().map(([name, m]) => [name, m.type, m.contains, m.values.count ?? m.values.passes])) };
}
