// row: k6/encoding, k6/crypto, k6/timers
import crypto from 'k6/crypto';
import encoding from 'k6/encoding';
import { clearInterval, clearTimeout, setInterval, setTimeout } from 'k6/timers';

export const options = { vus: 1, iterations: 1 };

export default async function () {
  for (const kind of ['std', 'rawstd', 'url', 'rawurl']) {
    const text = encoding.b64encode('squall ?>~ é', kind);
    console.log(kind, text, encoding.b64decode(text, kind, 's'), new Uint8Array(encoding.b64decode(text, kind)).length);
  }
  for (const name of ['md4', 'md5', 'sha1', 'sha256', 'sha384', 'sha512', 'sha512_224', 'sha512_256', 'ripemd160']) {
    console.log(name, crypto[name]('data', 'hex'), crypto[name]('data', 'base64'), new Uint8Array(crypto[name]('data', 'binary')).length);
  }
  console.log(crypto.hmac('sha256', 'key', 'data', 'hex'), crypto.hmac('md5', 'key', 'data', 'base64rawurl'));
  const hash = crypto.createHash('sha1');
  hash.update('da');
  hash.update('ta');
  const hmac = crypto.createHMAC('sha512', 'key');
  hmac.update('data');
  console.log(hash.digest('hex'), hmac.digest('base64url'), new Uint8Array(crypto.randomBytes(9)).length);

  const order = [];
  const never = setTimeout(() => order.push('never'), 5);
  clearTimeout(never);
  setTimeout((what) => order.push(what), 300, 'late');
  setTimeout(() => order.push('soon'), 1);
  const ticks = setInterval(() => {
    order.push('tick');
    if (order.filter((one) => one === 'tick').length === 2) clearInterval(ticks);
  }, 8);
  await new Promise((done) => setTimeout(done, 500));
  console.log(order.join());
}
