//! Modules: k6's own, and files of the script, which are compiled once and loaded from their bytecode by every user.

use std::path::Path;

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Exception, Module, Result};

use crate::script::core::Core;
use crate::script::foreign;
use crate::script::modules;
use crate::script::paths::clean;

/// Finds modules by the names that scripts import them by.
pub(super) struct Resolve;

/// Loads them.
pub(super) struct Load;

impl Resolver for Resolve {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        resolve(base, name).map_err(|message| Exception::throw_message(ctx, &message))
    }
}

/// The full name of a module that `base` imports.
///
/// # Errors
/// What cannot be imported, and what to do instead.
pub fn resolve(base: &str, name: &str) -> std::result::Result<String, String> {
    if modules::is_known(name) {
        return Ok(name.into());
    }
    if let Some(why) = modules::refusal(name) {
        return Err(why);
    }
    if name.starts_with("https://") || name.starts_with("http://") {
        return Err(format!(
            "{name}: modules are not fetched from the network yet; download it and import the file"
        ));
    }
    if let Some(path) = name.strip_prefix("file://") {
        return Ok(format!("file://{}", clean(&Path::new("/").join(path)).display()));
    }
    if name.starts_with("./") || name.starts_with("../") || name.starts_with('/') {
        let dir = Path::new(base.strip_prefix("file://").unwrap_or(base)).parent().unwrap_or(Path::new("/"));
        return Ok(format!("file://{}", clean(&dir.join(name)).display()));
    }
    Err(format!(
        "The moduleSpecifier \"{name}\" couldn't be recognised as something k6 supports: a module of k6's own, or a file, whose name \
         begins with ./, ../ or /"
    ))
}

impl Loader for Load {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        match modules::declare(ctx, name) {
            Some(module) => module,
            None => file(ctx, Core::of(ctx), name),
        }
    }
}

/// A module of the script: from its bytecode where that is known, else compiled.
pub(super) fn file<'js>(ctx: &Ctx<'js>, core: &Core, name: &str) -> Result<Module<'js, Declared>> {
    if let Some(bytecode) = core.program.bytecode(name) {
        return foreign::load(ctx, &bytecode);
    }
    let source = core.program.source(name).map_err(|e| Exception::throw_message(ctx, &e.to_string()))?;
    if name.ends_with(".json") {
        return Err(Exception::throw_syntax(
            ctx,
            &format!("{name}: JSON is read with open() and JSON.parse, as in k6"),
        ));
    }
    core.program.note_imports(&source);
    let module = Module::declare(ctx.clone(), name, source)?;
    core.program.keep(name, foreign::bytecode(&module)?);
    Ok(module)
}
