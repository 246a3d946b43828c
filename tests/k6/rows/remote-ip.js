// row: remote_ip
// squall: localhost
// k6: 127.0.0.1
import http from 'k6/http';

export const options = { vus: 1, iterations: 1 };

export default function () {
  console.log(http.get(`${__ENV.BASE.replace('127.0.0.1', 'localhost')}/json`).remote_ip);
}
