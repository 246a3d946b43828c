// row: what a script may use
// both: URL undefined
// squall: structuredClone undefined
// squall: queueMicrotask function
// squall: WeakRef function
// squall: performance object
// k6: structuredClone undefined
// k6: queueMicrotask undefined
// k6: WeakRef undefined
// k6: performance undefined
export const options = { vus: 1, iterations: 1 };

export default function () {
  const all = { URL: typeof URL, structuredClone: typeof structuredClone, queueMicrotask: typeof queueMicrotask, WeakRef: typeof WeakRef, performance: typeof performance };
  Object.entries(all).forEach(([name, kind]) => console.log(name, kind));
}
