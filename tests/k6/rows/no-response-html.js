// row: k6/html, response.html(), submitForm(), clickLink()
// sends: yes
// says: response.html() is not supported yet: pages are not parsed
// says: response.submitForm() is not supported yet
// says: response.clickLink() is not supported yet
import http from 'k6/http';

export default function () {
  const res = http.get(`${__ENV.BASE}/html`);
  for (const call of [() => res.html(), () => res.submitForm(), () => res.clickLink()]) {
    try {
      console.log(typeof call());
    } catch (e) {
      console.error(String(e));
    }
  }
}
