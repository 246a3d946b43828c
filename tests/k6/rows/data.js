// row: k6/data
import { SharedArray } from 'k6/data';

const rows = new SharedArray('rows', () => {
  console.log('made');
  return Array.from({ length: 100 }, (_, n) => ({ n, name: `row ${n}` }));
});

export const options = { vus: 2, iterations: 4 };

export default function () {
  let frozen = false;
  try {
    rows[3].name = 'changed';
  } catch (e) {
    frozen = true;
  }
  console.log(rows.length, rows[3].name, rows.filter((row) => row.n > 97).map((row) => row.name).join(), frozen || rows[3].name === 'row 3', rows[100]);
}
