// row: options
// flags: --no-connection-reuse --vus 1 --iterations 2
import http from 'k6/http';

export const options = { batch: 1 };

const port = () => http.get(`${__ENV.BASE}/port`).body;

export default function () {
  console.log(port() === port());
}
