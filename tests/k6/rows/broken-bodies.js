// row: bodies that are not in their coding
// both: gzip 0 1701
// both: deflate 0 1701
// both: br 0 1701
// both: zstd 0 1701
// squall: failed 0
// k6: failed 4
import http from 'k6/http';

export const options = { vus: 1, iterations: 1 };

export default function () {
  for (const coding of ['gzip', 'deflate', 'br', 'zstd']) {
    const broken = http.get(`${__ENV.BASE}/broken/${coding}`);
    console.log(coding, broken.status, broken.error_code);
  }
}

export function handleSummary(data) {
  console.log('failed', data.metrics.http_req_failed.values.passes);
  return {};
}
