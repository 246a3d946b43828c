//! Natives as functions of the engine's own kind: entries of static lists, behind which there is no closure. What is put on an object as a list is
//! made there when it is first looked at: of each function that a script does not use a user has a slot alone.

use std::any::Any;
use std::cell::Cell;
use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use rquickjs::{Ctx, Error, Exception, Object, Result, Value, qjs};

/// What a native is called with.
pub(in crate::script) struct Call<'a, 'js> {
    ctx: &'a Ctx<'js>,
    this: qjs::JSValue,
    args: &'a [qjs::JSValue],
}

impl<'a, 'js> Call<'a, 'js> {
    /// The context that it is called in.
    pub(in crate::script) fn ctx(&self) -> &'a Ctx<'js> {
        self.ctx
    }

    /// What it is called on.
    pub(in crate::script) fn this(&self) -> Value<'js> {
        self.value(self.this)
    }

    /// The argument at `at`; undefined where there is none.
    pub(in crate::script) fn arg(&self, at: usize) -> Value<'js> {
        self.args.get(at).map_or_else(|| Value::new_undefined(self.ctx.clone()), |raw| self.value(*raw))
    }

    /// All of them.
    pub(in crate::script) fn args(&self) -> impl Iterator<Item = Value<'js>> {
        self.args.iter().map(|raw| self.value(*raw))
    }

    /// What a native returns that has nothing to return.
    pub(in crate::script) fn nothing(&self) -> Result<Value<'js>> {
        Ok(Value::new_undefined(self.ctx.clone()))
    }

    fn value(&self, raw: qjs::JSValue) -> Value<'js> {
        // SAFETY: it is a value of this context's runtime, which the caller holds for the time of the call; the new one is counted by itself.
        unsafe { Value::from_raw(self.ctx.clone(), qjs::JS_DupValue(self.ctx.as_raw().as_ptr(), raw)) }
    }
}

/// A function that scripts can call: one that captures nothing.
pub(in crate::script) trait Native:
    for<'a, 'js> Fn(&Call<'a, 'js>) -> Result<Value<'js>> + Copy + 'static
{
}

impl<F> Native for F where F: for<'a, 'js> Fn(&Call<'a, 'js>) -> Result<Value<'js>> + Copy + 'static {}

/// The same, which is told its place in a list.
pub(in crate::script) trait Member:
    for<'a, 'js> Fn(&Call<'a, 'js>, usize) -> Result<Value<'js>> + Copy + 'static
{
}

impl<F> Member for F where F: for<'a, 'js> Fn(&Call<'a, 'js>, usize) -> Result<Value<'js>> + Copy + 'static {}

/// One member of an object.
#[repr(transparent)]
pub(in crate::script) struct Entry(qjs::JSCFunctionListEntry);

// SAFETY: it is only ever read, and so is what it points to, which is static.
unsafe impl Sync for Entry {}

/// What members of objects are to scripts: as if they had been assigned.
const PLAIN: u8 = (qjs::JS_PROP_CONFIGURABLE | qjs::JS_PROP_WRITABLE | qjs::JS_PROP_ENUMERABLE) as u8;
/// What members of classes are.
const HIDDEN: u8 = (qjs::JS_PROP_CONFIGURABLE | qjs::JS_PROP_WRITABLE) as u8;
/// What is got and set.
const ACCESSOR: u8 = (qjs::JS_PROP_CONFIGURABLE | qjs::JS_PROP_ENUMERABLE) as u8;

impl Entry {
    /// A function of this name and length.
    pub(in crate::script) const fn function<F: Native>(name: &'static CStr, length: u8, _: F) -> Entry {
        let cfunc = qjs::JSCFunctionType { generic: Some(call::<F>) };
        let func = qjs::JSCFunctionListEntry__bindgen_ty_1__bindgen_ty_1 {
            length,
            cproto: qjs::JSCFunctionEnum_JS_CFUNC_generic as u8,
            cfunc,
        };
        Entry::of(name, qjs::JS_DEF_CFUNC, qjs::JSCFunctionListEntry__bindgen_ty_1 { func })
    }

    /// A text.
    pub(in crate::script) const fn text(name: &'static CStr, text: &'static CStr) -> Entry {
        let u = qjs::JSCFunctionListEntry__bindgen_ty_1 { str_: text.as_ptr() };
        Entry::of(name, qjs::JS_DEF_PROP_STRING, u)
    }

    /// An object with these members.
    pub(in crate::script) const fn object(name: &'static CStr, members: &'static [Entry]) -> Entry {
        let prop_list = qjs::JSCFunctionListEntry__bindgen_ty_1__bindgen_ty_4 {
            tab: members.as_ptr().cast(),
            len: members.len() as c_int,
        };
        Entry::of(name, qjs::JS_DEF_OBJECT, qjs::JSCFunctionListEntry__bindgen_ty_1 { prop_list })
    }

    /// What is got by a function and set by another, both of which are told this number.
    pub(in crate::script) const fn accessor<G: Member, S: Member>(
        name: &'static CStr,
        number: i16,
        _: G,
        _: S,
    ) -> Entry {
        let getset = qjs::JSCFunctionListEntry__bindgen_ty_1__bindgen_ty_2 {
            get: qjs::JSCFunctionType { getter_magic: Some(get::<G>) },
            set: qjs::JSCFunctionType { setter_magic: Some(set::<S>) },
        };
        let entry =
            Entry::of(name, qjs::JS_DEF_CGETSET_MAGIC, qjs::JSCFunctionListEntry__bindgen_ty_1 { getset });
        Entry(qjs::JSCFunctionListEntry { magic: number, prop_flags: ACCESSOR, ..entry.0 })
    }

    /// The same, where scripts do not see it when they list what there is.
    pub(in crate::script) const fn hidden(self) -> Entry {
        Entry(qjs::JSCFunctionListEntry { prop_flags: HIDDEN, ..self.0 })
    }

    const fn of(name: &'static CStr, kind: u32, u: qjs::JSCFunctionListEntry__bindgen_ty_1) -> Entry {
        Entry(qjs::JSCFunctionListEntry {
            name: name.as_ptr(),
            prop_flags: PLAIN,
            def_type: kind as u8,
            magic: 0,
            u,
        })
    }

    /// Its name.
    pub(in crate::script) fn name(&self) -> &'static CStr {
        // SAFETY: it came from a static text, in `of`.
        unsafe { CStr::from_ptr(self.0.name) }
    }
}

/// Puts the members of a list on an object, which has none of these names.
pub(in crate::script) fn define<'js>(object: &Object<'js>, list: &'static [Entry]) -> Result<()> {
    let ctx = object.ctx().as_raw().as_ptr();
    // SAFETY: the object is of this context; entries are what the engine wants (`repr(transparent)`), and static, since it looks at them again
    // when a member is looked at.
    let done = unsafe {
        qjs::JS_SetPropertyFunctionList(ctx, object.as_raw(), list.as_ptr().cast(), list.len() as c_int)
    };
    if done < 0 { Err(Error::Exception) } else { Ok(()) }
}

thread_local! {
    /// What a native panicked with: it must not unwind through the engine.
    static PANIC: Cell<Option<Box<dyn Any + Send>>> = const { Cell::new(None) };
}

/// Goes on with the panic of a native, where there was one.
pub(in crate::script) fn resume_panic() {
    if let Some(panic) = PANIC.take() {
        resume_unwind(panic);
    }
}

/// The value of a type without any bytes.
fn only<F: Copy>() -> F {
    const { assert!(size_of::<F>() == 0, "a native captures nothing") };
    // SAFETY: there are no bytes to read, and one was given to whoever made the entry, so that there can be another.
    unsafe { NonNull::<F>::dangling().as_ptr().read() }
}

/// Calls a native with what the engine calls it with.
///
/// # Safety
/// `ctx` is a context in which the engine calls it, and the values are of its runtime.
unsafe fn enter(
    ctx: *mut qjs::JSContext,
    this: qjs::JSValue,
    args: &[qjs::JSValue],
    native: impl for<'a, 'js> FnOnce(&Call<'a, 'js>) -> Result<Value<'js>>,
) -> qjs::JSValue {
    // SAFETY: whoever entered the engine holds the runtime, and the lifetime does not leave this function.
    let ctx = unsafe { Ctx::from_raw(NonNull::new_unchecked(ctx)) };
    let result = catch_unwind(AssertUnwindSafe(|| native(&Call { ctx: &ctx, this, args })));
    let error = match result {
        // SAFETY: the value is of this context; what is handed on is counted by itself.
        Ok(Ok(value)) => return unsafe { qjs::JS_DupValue(ctx.as_raw().as_ptr(), value.as_raw()) },
        Ok(Err(error)) => error,
        Err(panic) => {
            PANIC.set(Some(panic));
            Exception::throw_internal(&ctx, "a native panicked")
        }
    };
    if !matches!(error, Error::Exception) {
        let _ = Exception::throw_type(&ctx, &error.to_string());
    }
    qjs::JS_EXCEPTION
}

unsafe extern "C" fn call<F: Native>(
    ctx: *mut qjs::JSContext,
    this: qjs::JSValue,
    count: c_int,
    args: *mut qjs::JSValue,
) -> qjs::JSValue {
    // SAFETY: the engine gives as many arguments as it says.
    let args = if count > 0 { unsafe { std::slice::from_raw_parts(args, count as usize) } } else { &[] };
    // SAFETY: the engine calls this.
    unsafe { enter(ctx, this, args, |call| only::<F>()(call)) }
}

unsafe extern "C" fn get<F: Member>(
    ctx: *mut qjs::JSContext,
    this: qjs::JSValue,
    number: c_int,
) -> qjs::JSValue {
    // SAFETY: the engine calls this.
    unsafe { enter(ctx, this, &[], |call| only::<F>()(call, number as usize)) }
}

unsafe extern "C" fn set<F: Member>(
    ctx: *mut qjs::JSContext,
    this: qjs::JSValue,
    value: qjs::JSValue,
    number: c_int,
) -> qjs::JSValue {
    // SAFETY: as above.
    unsafe { enter(ctx, this, &[value], |call| only::<F>()(call, number as usize)) }
}
