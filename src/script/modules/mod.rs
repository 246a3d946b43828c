//! k6's modules, and the globals that scripts find.

mod args;
mod console;
mod crypto;
mod data;
mod encoding;
mod execution;
mod exports;
mod globals;
mod http;
mod k6;
mod metrics;
mod strict;
mod summary;
mod timers;

use rquickjs::module::{Declared, ModuleDef};
use rquickjs::{Ctx, Module, Result};

use super::core::Core;

pub(in crate::script) use globals::{begin_job, globals};
pub(in crate::script) use strict::take_what_k6_lacks;
pub(in crate::script) use summary::summary_files;

/// Modules of k6's that are there.
const KNOWN: [&str; 8] =
    ["k6", "k6/crypto", "k6/data", "k6/encoding", "k6/execution", "k6/http", "k6/metrics", "k6/timers"];

/// Modules of k6's that are not there, with what to do instead.
const REFUSED: [(&str, &str); 13] = [
    ("k6/browser", "browsers are not driven; measure its HTTP requests with k6/http"),
    ("k6/experimental/browser", "browsers are not driven; measure its HTTP requests with k6/http"),
    ("k6/net/grpc", "gRPC is not spoken; test it by its HTTP gateway, or with k6 itself"),
    ("k6/ws", "WebSockets are not spoken; leave these parts to k6 itself"),
    ("k6/websockets", "WebSockets are not spoken; leave these parts to k6 itself"),
    ("k6/experimental/websockets", "WebSockets are not spoken; leave these parts to k6 itself"),
    ("k6/experimental/redis", "Redis is not spoken; put the data into files and SharedArray"),
    ("k6/experimental/streams", "streams are not there; read the file with open()"),
    ("k6/experimental/tracing", "tracing is not there; set the header `traceparent` in params.headers"),
    ("k6/experimental/fs", "files are read with open()"),
    ("k6/html", "pages are not parsed yet; look for what you need with a regular expression"),
    ("k6/secrets", "secrets come from __ENV for now"),
    ("k6/experimental/webcrypto", "WebCrypto is not there yet; k6/crypto is"),
];

/// Whether a name is one of k6's modules that are there.
pub(in crate::script) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// Why a module of k6's is not there.
pub(in crate::script) fn refusal(name: &str) -> Option<String> {
    if let Some((_, why)) = REFUSED.iter().find(|(known, _)| *known == name) {
        return Some(format!("{name} is not supported: {why}"));
    }
    if name.starts_with("k6/x/") {
        return Some(format!(
            "{name} is not supported: extensions of k6 are Go code; leave these parts to k6 itself"
        ));
    }
    let is_k6s = name == "k6" || name.starts_with("k6/");
    is_k6s.then(|| format!("unknown module: {name}; there are {}", KNOWN.join(", ")))
}

/// Declares a module of k6's; `None` when it is none.
pub(in crate::script) fn declare<'js>(ctx: &Ctx<'js>, name: &str) -> Option<Result<Module<'js, Declared>>> {
    Some(match name {
        "k6" => of::<k6::K6>(ctx, name),
        "k6/crypto" => of::<crypto::Crypto>(ctx, name),
        "k6/encoding" => of::<encoding::Encoding>(ctx, name),
        "k6/data" => of::<data::Data>(ctx, name),
        "k6/execution" => of::<execution::Execution>(ctx, name),
        "k6/http" => of::<http::Http>(ctx, name),
        "k6/metrics" => of::<metrics::Metrics>(ctx, name),
        "k6/timers" => of::<timers::Timers>(ctx, name),
        _ => return None,
    })
}

fn of<'js, D: ModuleDef>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    Module::declare_def::<D, _>(ctx.clone(), name)
}

/// Gives promises what came of their requests; true when there was any.
pub(in crate::script) fn settle_answers(ctx: &Ctx<'_>, core: &Core) -> Result<bool> {
    http::settle(ctx, core)
}
