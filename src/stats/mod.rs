//! What happened: every measurement type lives here.

/// These fields of a value, by `&` or `&mut` as it is. All of its fields are named, so that one added later cannot be forgotten.
macro_rules! fields {
    ($value:expr, $type:ident { $($field:ident),+ $(,)? } but { $($other:ident),* $(,)? }) => {{
        let $type { $($field,)+ $($other: _,)* } = $value;
        [$($field),+]
    }};
}

pub mod codes;
pub mod compact;
pub mod counts;
pub mod histogram;
pub mod latencies;
pub mod layout;
pub mod metrics;
pub mod outcome;
pub mod places;
pub mod recorder;
pub mod registry;
pub mod samples;
pub mod selectors;
pub mod series;
pub mod snapshot;
pub mod summary;
pub mod tally;
pub mod wire;
