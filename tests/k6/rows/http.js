// row: k6/http
import http from 'k6/http';
import { check } from 'k6';

export const options = { vus: 1, iterations: 2 };

const BASE = __ENV.BASE;
const file = http.file('a,b\n1,2\n', 'rows.csv', 'text/csv');

export default async function () {
  const all = {
    get: http.get(`${BASE}/echo`),
    head: http.head(`${BASE}/echo`),
    options: http.options(`${BASE}/echo`, 'o'),
    post: http.post(`${BASE}/echo`, { a: 1, b: ['x', 'y z'] }),
    put: http.put(`${BASE}/echo`, '{"n":1}', { headers: { 'content-type': 'application/json' } }),
    patch: http.patch(`${BASE}/echo`, 'p'),
    del: http.del(`${BASE}/echo`, 'gone'),
    request: http.request('REPORT', `${BASE}/echo`, 'any method'),
    asyncRequest: await http.asyncRequest('POST', `${BASE}/echo`, 'later'),
  };
  for (const [name, res] of Object.entries(all)) {
    console.log(name, res.status, res.headers['X-Method'], JSON.stringify(res.body), res.request.method);
  }
  const list = http.batch([`${BASE}/echo`, ['POST', `${BASE}/echo`, 'b'], { method: 'put', url: `${BASE}/echo`, body: 'c' }]);
  const named = http.batch({ one: `${BASE}/status/404`, two: ['GET', `${BASE}/echo`, null, { tags: { in: 'batch' } }] });
  console.log(list.map((r) => r.headers['X-Method'] + r.body).join(), named.one.status, named.two.status);

  const form = http.post(`${BASE}/head`, { name: 'x', file });
  check(form, {
    multipart: (r) => /Content-Type: multipart\/form-data; boundary=/.test(r.body),
    length: (r) => /Content-Length: \d+/.test(r.body),
  });

  const seen = http.get(`${BASE}/head`, {
    headers: { 'x-own': 'yes', Accept: 'text/plain' },
    cookies: { mine: 'c1', other: { value: 'c2', replace: true } },
    tags: { kind: 'params' },
    timeout: '5s',
    responseType: 'text',
  }).body.replace(/Host: .*\r\n/, '').replace(/User-Agent: .*\r\n/, '');
  // In k6 cookies come in any order.
  const sorted = (line) => (line.startsWith('Cookie: ') ? line.slice(8).split('; ').sort().join() : line);
  console.log(seen.split('\r\n').filter((line) => line).map(sorted).sort().join('|'));

  const jar = new http.CookieJar();
  jar.set(BASE, 'from', 'jar');
  http.cookieJar().set(BASE, 'of', 'user');
  console.log(http.get(`${BASE}/cookies`, { jar }).body, http.get(`${BASE}/cookies`).body);
  http.get(`${BASE}/set-cookie`);
  console.log(JSON.stringify(Object.entries(http.cookieJar().cookiesForURL(BASE)).sort()));

  console.log(http.get(`${BASE}/redirect/3`).url.replace(BASE, ''), http.get(`${BASE}/redirect/3`, { redirects: 1 }).status);
  console.log(http.get(`${BASE}/echo`, { responseType: 'none' }).body, http.get(`${BASE}/json`, { responseType: 'binary' }).body.byteLength);

  const callback = http.expectedStatuses(404, { min: 500, max: 599 });
  http.get(`${BASE}/status/404`, { responseCallback: callback, tags: { name: 'expected' } });
  http.setResponseCallback(http.expectedStatuses(503));
  http.get(`${BASE}/status/503`, { tags: { name: 'set' } });
  http.get(`${BASE}/echo`, { tags: { name: 'unexpected' } });
  http.setResponseCallback(http.expectedStatuses({ min: 200, max: 399 }));
}
