// row: flags
// env: K6_NO_THRESHOLDS=true
// env: K6_LOG_FORMAT=text
// env: K6_OUT=json=/dev/null
export const options = { iterations: 2, thresholds: { iterations: ['count>5'] } };

export default function () {
  console.log('runs');
}
