//! Servers that die in mid-run, and come back or do not.
