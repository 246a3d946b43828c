// The original story as a k6 script: 1,000 users against an API, each response checked.
// `squall target` in one terminal, `squall run examples/story.js` in another.
import http from 'k6/http';
import { check, sleep } from 'k6';

export const options = {
  // The API's name leads to this host: nothing is looked up.
  hosts: { 'api.example': __ENV.TARGET || '127.0.0.1:8080' },
  stages: [
    { duration: '2m', target: 1000 },
    { duration: '5m', target: 1000 },
    { duration: '2m', target: 0 },
  ],
  thresholds: {
    http_req_duration: ['p(99)<500'],
    http_req_failed: ['rate<0.01'],
    checks: ['rate>0.99'],
  },
};

export default function () {
  const res = http.get('http://api.example/load-test');
  check(res, {
    'status is 200': (r) => r.status === 200,
    'all is well': (r) => r.json('status') === 'ok',
  });
  sleep(1);
}
