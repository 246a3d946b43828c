// row: modules from https
// exit: 107
// says: modules are not fetched from the network yet
import it from 'https://127.0.0.1:1/lib.js';

export default function () {
  console.log(it);
}
