// row: options
// env: K6_MAX_REDIRECTS=2
// env: K6_THROW=true
// flags: --config {DIR}/lib/options.json --batch 3 --tag run=flag
// exit: 99
import { check } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';

const BASE = __ENV.BASE;

export const options = {
  scenarios: {
    shared: { executor: 'shared-iterations', vus: 2, iterations: 5, exec: 'nothing' },
    each: { executor: 'per-vu-iterations', vus: 2, iterations: 3, exec: 'nothing' },
    paced: { executor: 'per-vu-iterations', vus: 1, iterations: 2, exec: 'paced' },
    one: { executor: 'shared-iterations', vus: 1, iterations: 2, exec: 'asks' },
  },
  batchPerHost: 2,
  discardResponseBodies: true,
  hosts: { 'api.example': __ENV.BASE.replace('http://', '') },
  insecureSkipTLSVerify: true,
  maxRedirects: 1,
  minIterationDuration: '300ms',
  noConnectionReuse: false,
  noVUConnectionReuse: true,
  noCookiesReset: true,
  setupTimeout: '5s',
  teardownTimeout: 5000,
  summaryTrendStats: ['avg', 'p(99)', 'count'],
  summaryTimeUnit: 'ms',
  tags: { run: 'script', team: 'x' },
  thresholds: {
    checks: [{ threshold: 'rate==1', abortOnFail: true, delayAbortEval: '10s' }],
    http_reqs: ['count==10', 'count==11'],
    'iterations{scenario:each}': ['count==6'],
  },
  throw: false,
  userAgent: 'squall-test/1',
};

export function nothing() {}

let last = 0;

export function paced() {
  if (last > 0) console.log('paced', Date.now() - last >= 290);
  last = Date.now();
}

export function asks() {
  const { options } = exec.test;
  check(1, { one: (n) => n === 1 });
  console.log(options.batch, options.batchPerHost, options.maxRedirects, options.throw, options.tags.run, options.tags.team, options.userAgent);
  console.log(http.get('http://api.example/json').status, http.get(`${BASE}/json`).body);
  console.log(http.get(`${BASE}/head`, { responseType: 'text' }).body.match(/User-Agent: (.*)\r/)[1]);
  console.log(http.get(`${BASE}/redirect/1`).status);
  http.get(`${BASE}/cookies`, { responseType: 'text' });
  try {
    http.get('http://127.0.0.1:1/');
  } catch (e) {
    console.log('thrown', String(e).includes('refused'));
  }
}
