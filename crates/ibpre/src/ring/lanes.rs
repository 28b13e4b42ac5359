//! The widest vector unit of the machine, behind one door.
//!
//! The loops of this crate are simple code over long slices, which compilers turn into vector code.
//! [`wide`] runs such a loop in a copy of itself that was compiled for AVX-512 or AVX2 if the machine
//! has them, else as it was compiled for any machine of the kind; without the feature `simd`, and on
//! other architectures, that last one is the only copy. All copies come from one source, no
//! floating-point operation is ever fused or reordered, and so all give the same bits. What is asked
//! of the machine does not depend on data, so what was branch-free stays it.
//!
//! Why this way and no hand-written instructions: `docs/adr/0008-vector-code.md`.

/// Runs `kernel`, a closure marked `#[inline(always)]` around code that is inlined too, compiled for
/// the widest vectors at hand. (A function that is not inlined runs all the same, with the vectors
/// every machine has.)
#[inline(always)]
pub(crate) fn wide<R>(kernel: impl FnOnce() -> R) -> R {
    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    {
        use fearless_simd::{Level, Simd};

        let level = Level::new(); // detected once a process
        if let (true, Some(unit)) = (allowed(Unit::Avx512), level.as_avx512()) {
            return unit.vectorize(kernel);
        }
        if let (true, Some(unit)) = (allowed(Unit::Avx2), level.as_avx2()) {
            return unit.vectorize(kernel);
        }
    }
    kernel()
}

/// The units that code is compiled for beside the portable one, narrowest first.
#[cfg(any(test, all(feature = "simd", target_arch = "x86_64")))]
#[cfg_attr(not(feature = "simd"), allow(dead_code))]
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(crate) enum Unit {
    /// None: what every machine of the architecture has.
    #[cfg(test)]
    Portable,
    /// x86-64-v3.
    Avx2,
    /// The AVX-512 of Ice Lake and Zen 4 or later: older ones slow the clock down.
    Avx512,
}

/// Whether a test has forbidden a unit.
#[cfg(all(not(test), feature = "simd", target_arch = "x86_64"))]
#[inline(always)]
fn allowed(_: Unit) -> bool {
    true
}

#[cfg(test)]
#[cfg_attr(not(feature = "simd"), allow(unused_imports))]
pub(crate) use tests::{allowed, on_each_unit};

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        static WIDEST: Cell<Unit> = const { Cell::new(Unit::Avx512) };
    }

    #[cfg_attr(not(feature = "simd"), allow(dead_code))]
    pub(crate) fn allowed(unit: Unit) -> bool {
        unit <= WIDEST.get()
    }

    /// The results of `work` with portable code, with AVX2 and with AVX-512, as far as the machine has
    /// them (a narrower unit stands in for what is not there).
    pub(crate) fn on_each_unit<R>(work: impl Fn() -> R) -> [R; 3] {
        [Unit::Portable, Unit::Avx2, Unit::Avx512].map(|unit| {
            let before = WIDEST.replace(unit);
            let result = work();
            WIDEST.set(before);
            result
        })
    }
}
