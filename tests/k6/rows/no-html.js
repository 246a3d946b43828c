// row: k6/html, response.html(), submitForm(), clickLink()
// exit: 107
// says: k6/html is not supported: pages are not parsed yet
import it from 'k6/html';

export default function () {
  console.log(typeof it);
}
