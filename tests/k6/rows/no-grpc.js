// row: k6/net/grpc, k6/ws, k6/websockets, k6/experimental/…
// exit: 107
// says: k6/net/grpc is not supported: gRPC is not spoken
import it from 'k6/net/grpc';

export default function () {
  console.log(typeof it);
}
