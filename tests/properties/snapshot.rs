//! What holds for any bytes in the place of a snapshot.

use squall::stats::wire::{read, write};

/// They are refused with a message, or are a snapshot that is written and read as the same, merges with itself, and takes no
/// more memory than a few times its bytes.
pub(crate) fn holds(bytes: &[u8]) {
    let snapshot = match read(bytes) {
        Ok(snapshot) => snapshot,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let again = write(&snapshot);
    let mut merged = read(&again).expect("what was written can be read");
    assert_eq!(merged, snapshot);
    merged.merge(&snapshot);
    assert_eq!(merged.counts.completed, 2 * snapshot.counts.completed);
    assert_eq!(merged.tally.all_requests().count(), snapshot.tally.all_requests().count());
    let _ = (merged.response_time(true), merged.response_time(false), merged.tally.in_others());
}
