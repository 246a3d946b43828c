// Prints the names of all that a script can reach without import: one path a line, such as Array.prototype.at.
// `k6 inspect --log-format raw members.js 2> members.txt` recorded what k6 1.1 has; `tests/strict.rs` compares.
const hidden = {
  '%Iterator.prototype%': Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())),
  '%ArrayIterator.prototype%': Object.getPrototypeOf([][Symbol.iterator]()),
  '%StringIterator.prototype%': Object.getPrototypeOf(''[Symbol.iterator]()),
  '%MapIterator.prototype%': Object.getPrototypeOf(new Map()[Symbol.iterator]()),
  '%SetIterator.prototype%': Object.getPrototypeOf(new Set()[Symbol.iterator]()),
  '%RegExpStringIterator.prototype%': Object.getPrototypeOf('a'.matchAll(/a/g)),
  '%TypedArray%': Object.getPrototypeOf(Uint8Array),
  '%GeneratorFunction%': Object.getPrototypeOf(function* () {}).constructor,
  '%AsyncFunction%': Object.getPrototypeOf(async () => {}).constructor,
};
// What k6 does not parse must not be in the text of this script.
try { hidden['%AsyncGeneratorFunction%'] = Object.getPrototypeOf((0, eval)('(async function* () {})')).constructor; } catch (e) {}

const seen = new Set();
const paths = [];
const shown = (key) => (typeof key === 'symbol' ? `[${key.description}]` : key);
function walk(path, value) {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) return;
  seen.add(value);
  for (const key of Reflect.ownKeys(value)) {
    // Of every function.
    if (typeof value === 'function' && ['length', 'name', 'arguments', 'caller'].includes(key)) continue;
    const inner = path === '' ? shown(key) : `${path}.${shown(key)}`;
    paths.push(inner);
    const property = Object.getOwnPropertyDescriptor(value, key);
    // What a constructor's prototype leads back to is known.
    if ('value' in property && key !== 'constructor' && key !== '__ENV') walk(inner, property.value);
  }
}
const standard = ['Object', 'Function', 'Array'];
for (const name of standard) { seen.add(globalThis[name].prototype); }
for (const name of standard) { seen.delete(globalThis[name].prototype); walk(name, globalThis[name]); }
for (const name of Object.keys(hidden)) walk(name, hidden[name]);
seen.delete(globalThis);
walk('', globalThis);
for (const path of paths.sort()) console.log(path);
export default function () {}
