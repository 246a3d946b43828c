// row: responses
import http from 'k6/http';
import { check } from 'k6';

export const options = { vus: 1, iterations: 1 };

const BASE = __ENV.BASE;

export default function () {
  const res = http.get(`${BASE}/json?q=1`);
  console.log(res.status, res.status_text, res.url.replace(BASE, ''), res.body.length, res.error === '', res.error_code, res.proto);
  console.log(JSON.stringify(res.headers['Content-Type']), res.request.method, res.request.url.replace(BASE, ''));
  console.log(res.json('users.1.name'), res.json('users.#'), JSON.stringify(res.json('users.#.name')), res.json('nothing'), res.json().users[0].age);
  check(res.timings, {
    whole: (t) => t.duration > 0 && Math.abs(t.duration - t.sending - t.waiting - t.receiving) < 0.01,
    parts: (t) => [t.blocked, t.connecting, t.tls_handshaking].every((part) => part >= 0),
  });
  const given = http.get(`${BASE}/set-cookie`).cookies;
  console.log(JSON.stringify(Object.keys(given).sort()), given.a[0].value, given.b[0].path);
  for (const coding of ['gzip', 'deflate', 'br', 'zstd']) {
    const packed = http.get(`${BASE}/${coding}`);
    console.log(coding, packed.status, packed.body, packed.headers['Content-Encoding']);
  }
  console.log(http.get(`${BASE}/status/204`).body, JSON.stringify(http.head(`${BASE}/json`).body), http.get('http://127.0.0.1:1/').error_code);
}
