// row: k6/metrics
import { Counter, Gauge, Rate, Trend } from 'k6/metrics';

const counter = new Counter('my_counter');
const gauge = new Gauge('my_gauge');
const rate = new Rate('my_rate');
const trend = new Trend('my_trend', true);

export const options = {
  vus: 2,
  iterations: 6,
  thresholds: {
    my_counter: ['count==18'],
    'my_counter{of:x}': ['count==6'],
    my_gauge: ['value==5'],
    my_rate: ['rate==0.5'],
    my_trend: ['max==8', 'min==4', 'avg==6'],
  },
};

export default function () {
  console.log(counter.add(1, { of: 'x' }), counter.add(2), counter.add('no number'));
  gauge.add(5);
  rate.add(true);
  rate.add(0);
  trend.add(4, { of: 'y' });
  trend.add(8);
}
