//! Where the engine's own memory is met: all of this room's unsafe code.

use std::cell::Cell;
use std::ptr::NonNull;

use corosensei::Yielder;
use rquickjs::module::Declared;
use rquickjs::{ArrayBuffer, Ctx, Error, Exception, Module, Result, TypedArray, Value, qjs};

/// Says of types without anything of a runtime in them that they may be handed to one.
macro_rules! holds_nothing_of_a_runtime {
    ($own:ident) => {
        // SAFETY: it has no lifetime of a runtime, so that it is the same for all.
        unsafe impl rquickjs::JsLifetime<'_> for $own {
            type Changed<'to> = $own;
        }
    };
}
pub(super) use holds_nothing_of_a_runtime;

/// How what runs in a coroutine suspends it.
pub(super) struct Suspender<P>(Cell<Option<NonNull<Yielder<(), P>>>>);

impl<P> Default for Suspender<P> {
    fn default() -> Suspender<P> {
        Suspender(Cell::new(None))
    }
}

impl<P> Suspender<P> {
    /// It is of the coroutine that was given this yielder, on whose stack that lies.
    pub(super) fn belongs_to(&self, yielder: &Yielder<(), P>) {
        self.0.set(Some(NonNull::from(yielder)));
    }

    /// Suspends that coroutine, in which this must be called.
    pub(super) fn suspend(&self, pause: P) {
        let Some(yielder) = self.0.get() else { return };
        // SAFETY: it lies on the stack of the coroutine that was given it, and natives, which call this, run on no other one: a runtime
        // is only ever entered by its own coroutine, and gone before that ends.
        unsafe { yielder.as_ref() }.suspend(pause);
    }
}

/// A module from the bytecode that [`Program`](super::program::Program) keeps.
pub(super) fn load<'js>(ctx: &Ctx<'js>, bytecode: &[u8]) -> Result<Module<'js, Declared>> {
    // SAFETY: this process wrote it, by `Module::write`, in the same version of the engine, and nobody can have changed it since.
    unsafe { Module::load(ctx.clone(), bytecode) }
}

/// Throws what no script can catch.
pub(super) fn throw_uncatchable(ctx: &Ctx<'_>, message: &str) -> Error {
    let _ = Exception::throw_message(ctx, message);
    let error = ctx.catch();
    // SAFETY: it is a value of this context, alive beyond the call, which sets a flag of it.
    unsafe { qjs::JS_SetUncatchableError(ctx.as_raw().as_ptr(), error.as_raw()) };
    ctx.throw(error)
}

/// Which promise it is, among those that are alive.
pub(super) fn identity(promise: &Value<'_>) -> usize {
    // SAFETY: an object's value is the address of the object; nothing is read there.
    unsafe { qjs::JS_VALUE_GET_PTR(promise.as_raw()) as usize }
}

/// A copy of the bytes of an ArrayBuffer, or of a view of one.
pub(super) fn bytes(value: &Value<'_>) -> Option<Vec<u8>> {
    if let Some(buffer) = ArrayBuffer::from_value(value.clone()) {
        // SAFETY: they are copied before any JavaScript runs.
        return unsafe { buffer.as_bytes() }.map(<[u8]>::to_vec);
    }
    if let Ok(view) = TypedArray::<u8>::from_value(value.clone()) {
        // SAFETY: as above.
        return unsafe { view.as_bytes() }.map(<[u8]>::to_vec);
    }
    None
}
