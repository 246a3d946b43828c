// row: k6/x/…
// exit: 107
// says: k6/x/sql is not supported: extensions of k6 are Go code
import it from 'k6/x/sql';

export default function () {
  console.log(typeof it);
}
