// row: k6/net/grpc, k6/ws, k6/websockets, k6/experimental/…
// exit: 107
// says: k6/ws is not supported: WebSockets are not spoken
import it from 'k6/ws';

export default function () {
  console.log(typeof it);
}
