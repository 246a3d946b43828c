// row: k6/http
import http from 'k6/http';

export const options = { vus: 1, iterations: 1, thresholds: { 'http_reqs{expected_response:true}': ['count>=0'] } };

export default function () {
  http.get(`${__ENV.BASE}/json`, { responseCallback: null });
}

export function handleSummary(data) {
  console.log(data.metrics['http_reqs{expected_response:true}'].values.count);
  console.log('http_req_failed' in data.metrics);
  return {};
}
