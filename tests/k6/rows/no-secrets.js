// row: k6/secrets
// exit: 107
// says: k6/secrets is not supported: secrets come from __ENV for now
import it from 'k6/secrets';

export default function () {
  console.log(typeof it);
}
