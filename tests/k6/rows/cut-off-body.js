// row: a body that came in part
// both: 0 true
// squall: null
// k6: half
import http from 'k6/http';

export const options = { vus: 1, iterations: 1 };

export default function () {
  const cut = http.get(`${__ENV.BASE}/cut`);
  console.log(cut.status, cut.error_code > 0);
  console.log(cut.body);
}
