// row: language
// env: GIVEN=from outside
import seven, { helper } from './lib/helper.js';
import * as space from './lib/helper.js';

const text = open('./lib/text.txt');
const bytes = new Uint8Array(open('./lib/text.txt', 'b'));

export const options = { vus: 2, iterations: 2 };

class Counted {
  #n = 0;
  static made = 0;
  next() {
    Counted.made += 1;
    return (this.#n += 2);
  }
}

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

export default async function () {
  const counted = new Counted();
  const all = await Promise.all([wait(3).then(() => 'a'), Promise.resolve('b')]);
  const raced = await Promise.race([wait(50).then(() => 'slow'), wait(1).then(() => 'quick')]);
  let caught = '';
  try {
    await Promise.reject(new TypeError('no'));
  } catch (e) {
    caught = `${e.name}: ${e.message}`;
  } finally {
    caught += '!';
  }
  function* numbers() {
    yield* [1, 2, 3];
  }
  console.log(seven, helper(3), Object.keys(space).sort().join(), text.trim(), bytes.length);
  console.log(counted.next(), counted.next(), all.join(), raced, caught, [...numbers()].at(-1), null ?? 'x', undefined?.y, 2n ** 64n);
  console.log(__ENV.GIVEN, __VU > 0, __ITER, 'abc'.replace(/(?<=a)b/, '-'), [3, 1, 2].toSorted().join(), JSON.stringify({ a: [1, { b: null }] }));
  console.warn('a warning');
  console.error('an error', 1.5, true);
}
