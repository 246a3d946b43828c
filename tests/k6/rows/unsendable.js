// row: requests that cannot be sent (a URL without a scheme or host, a field's name with a blank, a redirect to ftp:, a host of blockHostnames)
// both: 0 1000
// both: 0 1000
// both: 0 1000
// squall: http_reqs 1
// k6: http_reqs 4
import http from 'k6/http';

export const options = { vus: 1, iterations: 1 };

export default function () {
  const without = http.get('/path');
  console.log(without.status, without.error_code);
  const named = http.get(`${__ENV.BASE}/json`, { headers: { 'a b': 'c' } });
  console.log(named.status, named.error_code);
  const away = http.get(`${__ENV.BASE}/away`);
  console.log(away.status, away.error_code);
}

export function handleSummary(data) {
  console.log('http_reqs', data.metrics.http_reqs ? data.metrics.http_reqs.values.count : 0);
  return {};
}
