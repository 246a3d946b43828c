// row: TypeScript
// exit: 107
// says: SyntaxError
const n: number = 1;

export default function (): void {
  console.log(n);
}
