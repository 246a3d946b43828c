// row: k6/net/grpc, k6/ws, k6/websockets, k6/experimental/…
// exit: 107
// says: k6/experimental/redis is not supported: Redis is not spoken
import it from 'k6/experimental/redis';

export default function () {
  console.log(typeof it);
}
