//! Servers, and the generator itself, that stand still.
