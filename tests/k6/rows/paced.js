// row: options
import http from 'k6/http';

export const options = { vus: 2, iterations: 6, rps: 20 };

export default function () {
  http.get(`${__ENV.BASE}/json`);
}

export function handleSummary(data) {
  // Five gaps of 50 ms, however many users there are.
  const took = data.state.testRunDurationMs;
  console.log('held back', took >= 245, took < 5000);
  return {};
}
