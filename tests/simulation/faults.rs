//! Faults that simulation has found, or would have.
