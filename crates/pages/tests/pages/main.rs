//! Pages and record readers: what they say, to whom, and what hostile input does to them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod document;
mod fields;
mod hostile;
mod meaning;
mod reading;
mod real;
mod sample;
mod spoilt;
