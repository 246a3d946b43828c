// row: user agent
import http from 'k6/http';

export default function () {
  console.log(http.get(`${__ENV.BASE}/head`).body.includes('User-Agent: Grafana k6/1.1.0\r\n'));
}
