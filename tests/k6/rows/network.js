// row: options
// flags: --local-ips 127.0.0.1
import http from 'k6/http';

export const options = {
  iterations: 1,
  blockHostnames: ['*.blocked.example'],
  dns: { ttl: '1m' },
  tlsVersion: { min: 'tls1.2', max: 'tls1.3' },
};

export default function () {
  console.log(http.get(`${__ENV.BASE}/json`).status);
  console.log(http.get('http://a.blocked.example/').error_code);
}
