// row: http.url
// says: not a function
import http from 'k6/http';

export default function () {
  try {
    console.log(http.get(http.url`${__ENV.BASE}/json`).status);
  } catch (e) {
    console.error(String(e));
  }
}
