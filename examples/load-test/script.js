// The same as plan.toml, for k6: k6 run script.js
import http from 'k6/http';
import { check, sleep } from 'k6';

const base = __ENV.BASE || 'http://127.0.0.1:8000';

export const options = {
  scenarios: {
    default: {
      executor: 'ramping-vus',
      startVUs: 0,
      stages: [
        { duration: '2m', target: 1000 },
        { duration: '5m', target: 1000 },
        { duration: '2m', target: 0 },
      ],
    },
  },
  thresholds: {
    http_req_duration: ['p(99)<500'],
    checks: ['rate>0.99'],
  },
};

export default function () {
  const res = http.get(`${base}/load-test`);
  check(res, { 'status is 200': (r) => r.status === 200 });
  sleep(1);
}
