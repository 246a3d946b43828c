// row: options
// flags: --local-ips 127.0.0.1
import http from 'k6/http';

export const options = {
  iterations: 1,
  blockHostnames: ['*.blocked.example'],
  dns: { ttl: '1m' },
  noSetup: true,
  noTeardown: true,
  systemTags: ['status', 'method', 'name', 'scenario', 'expected_response'],
  tlsVersion: { min: 'tls1.2', max: 'tls1.3' },
};

export function setup() {
  console.log('not called');
}

export function teardown() {
  console.log('not called');
}

export default function () {
  console.log(http.get(`${__ENV.BASE}/json`).status);
}
