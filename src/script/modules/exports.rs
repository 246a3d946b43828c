//! What a module exports: each name by itself, and all of them as the default.

use rquickjs::module::{Declarations, Exports};
use rquickjs::{Ctx, Object, Result, Value};

use crate::script::core::Core;
use crate::script::foreign::natives::{self, Entry};

/// Declares the default, and of these names those that the script can import by themselves.
pub(super) fn declare(declarations: &Declarations<'_>, members: &'static [Entry]) -> Result<()> {
    let core = Core::of(declarations.module().ctx());
    for name in members.iter().map(Entry::name).filter(|name| core.program.may_import(name)) {
        declarations.declare_c_str(name)?;
    }
    declarations.declare_c_str(c"default").map(drop)
}

/// Exports what was declared. Members that no user asks for are not made.
pub(super) fn export<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>, members: &'static [Entry]) -> Result<()> {
    let all = Object::new(ctx.clone())?;
    natives::define(&all, members)?;
    let core = Core::of(ctx);
    for entry in members.iter().filter(|entry| core.program.may_import(entry.name())) {
        let name = entry.name();
        exports.export_c_str(name, all.get::<_, Value>(&*name.to_string_lossy())?)?;
    }
    exports.export_c_str(c"default", all).map(drop)
}

/// Declares names that are always there, and the default.
pub(super) fn declare_all(declarations: &Declarations<'_>, names: &[&str]) -> Result<()> {
    names.iter().chain(&["default"]).try_for_each(|name| declarations.declare(*name).map(drop))
}

/// Exports all members of an object, which are what `declare_all` was told.
pub(super) fn export_all<'js>(exports: &Exports<'js>, members: Object<'js>) -> Result<()> {
    for member in members.props::<String, Value>() {
        let (name, value) = member?;
        exports.export(name, value)?;
    }
    exports.export_c_str(c"default", members).map(drop)
}
