// row: console
// squall: [object Function] {}
// k6: null {}
export const options = { vus: 1, iterations: 1 };

export default function () {
  console.log(() => 1, { a: undefined });
}
