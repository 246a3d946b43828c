//! Worlds drawn from seeds: any load, any mix of faults. `examples/simulate.rs` runs many more of them, and these again with
//! `--shallow`.

use crate::harness::World;

/// The first seeds: a world takes a second or so without optimisation.
const SEEDS: std::ops::Range<u64> = 0..30;

#[test]
fn the_books_hold_in_worlds_drawn_at_random() {
    for seed in SEEDS {
        let world = World::random(seed, false);
        if let Err(error) = world.check() {
            panic!("seed {seed}: {error}\n{world}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [1, 2, 3, 4] {
        let world = World::random(seed, false);
        let (once, again) = (world.run().expect("it ends"), world.run().expect("it ends"));
        assert_eq!(once.summary, again.summary, "seed {seed}");
        assert_eq!(once.peer, again.peer, "seed {seed}");
    }
}
