// row: requests in flight when an iteration is cut off
// report: /requests/unanswered 1
// report: /requests/completed 0
import http from 'k6/http';

export const options = { scenarios: { a: { executor: 'constant-vus', vus: 1, duration: '1s', gracefulStop: '0s' } } };

export default function () {
  http.get(`${__ENV.BASE}/delay/5000`);
}
