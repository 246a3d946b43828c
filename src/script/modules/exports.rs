//! What a module exports: each name by itself, and all of them as the default.

use rquickjs::function::IntoJsFunc;
use rquickjs::module::{Declarations, Exports};
use rquickjs::{Ctx, Function, IntoJs, Object, Result, Value};

/// Declares these names, and the default.
pub(super) fn declare<'a>(
    declarations: &Declarations<'_>,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<()> {
    names.into_iter().chain(["default"]).try_for_each(|name| declarations.declare(name).map(drop))
}

/// The members of a module, as they are made.
pub(super) struct Members<'js>(Object<'js>);

impl<'js> Members<'js> {
    /// None yet.
    pub(super) fn new(ctx: &Ctx<'js>) -> Result<Members<'js>> {
        Object::new(ctx.clone()).map(Members)
    }

    /// Those of an object.
    pub(super) fn of(object: Object<'js>) -> Members<'js> {
        Members(object)
    }

    /// One more.
    pub(super) fn add(&self, name: &str, value: impl IntoJs<'js>) -> Result<()> {
        self.0.set(name, value)
    }

    /// A function of this name.
    pub(super) fn function<P>(&self, name: &str, function: impl IntoJsFunc<'js, P> + 'js) -> Result<()> {
        self.add(name, Function::new(self.0.ctx().clone(), function)?.with_name(name)?)
    }

    /// Exports them all.
    pub(super) fn export(self, exports: &Exports<'js>) -> Result<()> {
        for member in self.0.props::<String, Value>() {
            let (name, value) = member?;
            exports.export(name, value)?;
        }
        exports.export("default", self.0).map(drop)
    }
}
