//! `--k6-strict`: what QuickJS-ng has and k6 1.1 has not is taken away, so that a script that runs here runs there.
//!
//! What there is in k6 was recorded from it (`tests/data/k6/members.txt`).

use rquickjs::{Ctx, Result, Value};

use super::args::glue;

/// Objects by their paths, and their members that k6 lacks; `@@` is before names of symbols.
const LACKING: &[(&str, &[&str])] = &[
    (
        "%Iterator.prototype%",
        &[
            "@@dispose",
            "@@toStringTag",
            "chunks",
            "constructor",
            "drop",
            "every",
            "filter",
            "find",
            "flatMap",
            "forEach",
            "includes",
            "join",
            "map",
            "reduce",
            "some",
            "take",
            "toArray",
            "windows",
        ],
    ),
    ("Array", &["fromAsync"]),
    ("Array.prototype.@@unscopables", &["at"]),
    (
        "ArrayBuffer.prototype",
        &[
            "detached",
            "immutable",
            "maxByteLength",
            "resizable",
            "resize",
            "sliceToImmutable",
            "transfer",
            "transferToFixedLength",
            "transferToImmutable",
        ],
    ),
    (
        "",
        &[
            "AsyncDisposableStack",
            "Atomics",
            "DOMException",
            "DisposableStack",
            "FinalizationRegistry",
            "Float16Array",
            "InternalError",
            "Iterator",
            "SharedArrayBuffer",
            "SuppressedError",
            "WeakRef",
            "atob",
            "btoa",
            "performance",
            "queueMicrotask",
        ],
    ),
    ("DataView.prototype", &["getFloat16", "setFloat16"]),
    ("Date.prototype", &["getYear", "setYear", "toGMTString"]),
    ("Error", &["captureStackTrace", "isError", "prepareStackTrace", "stackTraceLimit"]),
    ("Function.prototype", &["columnNumber", "fileName", "lineNumber"]),
    ("JSON", &["isRawJSON", "rawJSON"]),
    ("Map", &["groupBy"]),
    ("Map.prototype", &["getOrInsert", "getOrInsertComputed"]),
    ("Math", &["f16round", "sumPrecise"]),
    ("Object", &["groupBy"]),
    ("Object.prototype", &["__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"]),
    ("Promise", &["try", "withResolvers"]),
    ("RegExp", &["escape"]),
    ("RegExp.prototype", &["hasIndices", "unicodeSets"]),
    (
        "Set.prototype",
        &[
            "difference",
            "intersection",
            "isDisjointFrom",
            "isSubsetOf",
            "isSupersetOf",
            "symmetricDifference",
            "union",
        ],
    ),
    (
        "String.prototype",
        &[
            "anchor",
            "big",
            "blink",
            "bold",
            "fixed",
            "fontcolor",
            "fontsize",
            "isWellFormed",
            "italics",
            "link",
            "small",
            "strike",
            "sub",
            "sup",
            "toWellFormed",
        ],
    ),
    ("Uint8Array", &["fromBase64", "fromHex"]),
    ("Uint8Array.prototype", &["setFromBase64", "setFromHex", "toBase64", "toHex"]),
    ("WeakMap.prototype", &["getOrInsert", "getOrInsertComputed"]),
    ("%AsyncGenerator.prototype%", &["next", "return", "throw"]),
];

/// Takes them from objects, and from what a regular expression finds: k6 has neither `groups` nor `indices` there.
const TAKE: &str = r#"(lacking) => {
    const { apply, deleteProperty, getPrototypeOf } = Reflect;
    const hidden = {
        '%Iterator.prototype%': getPrototypeOf(getPrototypeOf([][Symbol.iterator]())),
        '%AsyncGenerator.prototype%': (async function* () {}).constructor.prototype.prototype,
    };
    const key = (name) => (name.startsWith('@@') ? Symbol[name.slice(2)] : name);
    const find = (path) => {
        if (path === '') return globalThis;
        const root = Object.keys(hidden).find((name) => path.startsWith(name));
        if (root !== undefined) return hidden[root];
        return path.split('.').reduce((object, name) => object[key(name)], globalThis);
    };
    for (const [path, names] of lacking) {
        const object = find(path);
        for (const name of names) deleteProperty(object, key(name));
    }
    const { exec } = RegExp.prototype;
    const { value } = Object.getOwnPropertyDescriptor({
        exec(text) {
            const found = apply(exec, this, [text]);
            if (found !== null) {
                deleteProperty(found, 'groups');
                deleteProperty(found, 'indices');
            }
            return found;
        },
    }, 'exec');
    Object.defineProperty(RegExp.prototype, 'exec', { value, writable: true, enumerable: false, configurable: true });
}"#;

/// Takes away what k6 lacks, before the script's module code runs.
///
/// # Errors
/// When the engine has something else than is known here.
pub(in crate::script) fn take_what_k6_lacks(ctx: &Ctx<'_>) -> Result<()> {
    let lacking = serde_json::to_string(LACKING).unwrap_or_default();
    let lacking: Value = ctx.json_parse(lacking)?;
    glue(ctx, "strict", TAKE)?.call((lacking,))
}
