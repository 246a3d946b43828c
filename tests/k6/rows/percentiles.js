// row: percentiles
// both: med true
// both: p(90) true
// squall: exact false
// k6: exact true
import { Trend } from 'k6/metrics';

const trend = new Trend('my_trend');

export const options = { vus: 1, iterations: 1, summaryTrendStats: ['med', 'p(90)'] };

export default function () {
  for (let n = 0; n <= 1000; n += 1) trend.add(123000.7 + n);
}

export function handleSummary(data) {
  const found = data.metrics.my_trend.values;
  const exact = { med: 123500.7, 'p(90)': 123900.7 };
  const off = (name) => Math.abs(found[name] / exact[name] - 1);
  Object.keys(exact).forEach((name) => console.log(name, off(name) < 0.001));
  console.log('exact', off('med') < 1e-12);
  return {};
}
