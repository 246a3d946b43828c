// row: params auth, compression
// says: params.auth is not supported yet: set the header Authorization instead
// says: params.compression is not supported yet: send a body that is packed
import http from 'k6/http';

export default function () {
  for (const params of [{ auth: 'basic' }, { compression: 'gzip' }]) {
    try {
      console.log(http.post(`${__ENV.BASE}/echo`, 'x', params).status);
    } catch (e) {
      console.error(String(e));
    }
  }
}
