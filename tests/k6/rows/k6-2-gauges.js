// row: gauges below 0
import { Gauge } from 'k6/metrics';

const gauge = new Gauge('gauge_of_mine');

export default function () {
  [-3, -5].forEach((n) => gauge.add(n));
}

export function handleSummary(data) {
  const { value, min, max } = data.metrics.gauge_of_mine.values;
  return { stdout: JSON.stringify([value, min, max]) };
}
