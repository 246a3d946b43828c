// row: k6
import { check, fail, group, randomSeed, sleep } from 'k6';

export const options = { vus: 1, iterations: 3 };

export default function () {
  randomSeed(7);
  const first = Math.random();
  randomSeed(7);
  const begun = Date.now();
  sleep(0.02);
  const kept = group('outer', () => group('inner', () => check(1, { one: (n) => n === 1, truth: true }) && 'kept'));
  check(null, {
    seeded: () => Math.random() === first,
    slept: () => Date.now() - begun >= 19,
    returned: () => kept === 'kept',
    tagged: () => true,
  }, { colour: 'red' });
  console.log(check(0, {}));
  if (__ITER === 1) fail('of the second');
  console.log('passed', __ITER);
}
