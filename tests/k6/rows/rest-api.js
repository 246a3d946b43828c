// row: the REST API, k6 cloud, browser dashboards
// flags: --address 127.0.0.1:{PORT}
// squall: 0
// k6: 200
import { sleep } from 'k6';
import http from 'k6/http';

export const options = { vus: 1, iterations: 1 };

export default function () {
  let status = 0;
  for (let n = 0; n < 10 && status === 0; n += 1) {
    sleep(0.05);
    status = http.get(`http://127.0.0.1:${__ENV.PORT}/v1/status`).status;
  }
  console.log(status);
}
