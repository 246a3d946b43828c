// row: decoded bodies
// both: 200 0 1048576
// squall: 0 1701 268435456
// k6: 200 0 269484032
import http from 'k6/http';

export const options = { vus: 1, iterations: 1 };

export default function () {
  const small = http.get(`${__ENV.BASE}/zeros/1`, { responseType: 'binary' });
  console.log(small.status, small.error_code, small.body.byteLength);
  const large = http.get(`${__ENV.BASE}/zeros/257`, { responseType: 'binary' });
  console.log(large.status, large.error_code, large.body && large.body.byteLength);
}
