// row: k6/browser
// exit: 107
// says: k6/browser is not supported: browsers are not driven
import it from 'k6/browser';

export default function () {
  console.log(typeof it);
}
