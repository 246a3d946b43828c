// row: TextEncoder, TextDecoder
export default function () {
  console.log(typeof TextEncoder, typeof TextDecoder);
}
