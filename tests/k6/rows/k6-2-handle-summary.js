// row: handleSummary
export const options = { handleSummaryTimeout: '5m' };

export default function () {}

export function handleSummary() {
  return { stdout: 'in time' };
}
