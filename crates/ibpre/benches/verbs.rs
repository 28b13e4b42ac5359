//! Benchmarks of every verb.
fn main() {}
