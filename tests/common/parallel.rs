//! Many runs, of which most wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Judges all jobs, a few at a time: runs wait for time-outs, back-offs and drains most of the time. What is wrong is told together.
pub fn judge_all<T: Sync>(jobs: &[T], judge: impl Fn(&T) -> Vec<String> + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            wrong.extend(judge(job));
        }
        wrong
    };
    let wrong: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("no run hangs or ends by itself"))
            .collect()
    });
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
