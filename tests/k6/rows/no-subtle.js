// row: WebCrypto (crypto.subtle)
// says: crypto is not defined
export default function () {
  try {
    console.log(typeof crypto.subtle);
  } catch (e) {
    console.error(String(e));
  }
}
