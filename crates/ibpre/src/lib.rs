//! Lattice identity-based proxy re-encryption over NTRU lattices.
#![forbid(unsafe_code)]

mod params;
mod ring;
mod trapdoor;

pub use params::{ParameterSet, SetA, SetB};
