// row: summaries
// flags: --no-summary
export default function () {
  console.log('--summary-mode is held by the row of outputs');
}
