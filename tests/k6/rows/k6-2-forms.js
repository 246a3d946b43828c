// row: null and objects in a form
import http from 'k6/http';

export default function () {
  console.log(http.post(`${__ENV.BASE}/echo`, { a: null, b: { c: 1 }, d: [null, 2] }).body, '<nil> map[…]'.length);
}
