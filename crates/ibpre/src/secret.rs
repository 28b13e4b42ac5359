//! The one box secrets live in: on the heap, wiped on drop, without `Debug`, read by a name that
//! is easy to search for. And the buffers of the arithmetic, wiped on drop too.

use std::ops::{Deref, DerefMut};

use subtle::{Choice, ConstantTimeEq};
use zeroize::{DefaultIsZeroes, Zeroize, ZeroizeOnDrop};

/// A secret value on the heap, wiped on drop. It has no `Debug` and no `PartialEq`; 32-byte secrets
/// compare with [`ConstantTimeEq`].
pub struct Secret<T: Zeroize>(Box<T>);

impl<T: Zeroize> Secret<T> {
    /// Puts a value into a box. The caller wipes any other copy.
    pub fn new(value: T) -> Self {
        Self(Box::new(value))
    }

    /// The value itself.
    pub fn as_secret(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize + Clone> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> ZeroizeOnDrop for Secret<T> {}

impl ConstantTimeEq for Secret<[u8; 32]> {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.as_slice().ct_eq(other.0.as_slice())
    }
}

/// Numbers of the arithmetic that may be secret: wiped on drop. Never grows, so that nothing stays
/// behind in freed memory.
///
/// `Zeroizing<Vec<_>>` wipes number by number; this wipes the slice as a whole, which was a tenth of
/// the time of a decapsulation.
#[derive(Clone)]
pub(crate) struct Buffer<T: DefaultIsZeroes>(Vec<T>);

impl<T: DefaultIsZeroes> Buffer<T> {
    pub(crate) fn zeros(n: usize) -> Self {
        Self(vec![T::default(); n])
    }
}

impl<T: DefaultIsZeroes> From<Vec<T>> for Buffer<T> {
    fn from(numbers: Vec<T>) -> Self {
        Self(numbers)
    }
}

impl<T: DefaultIsZeroes> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: DefaultIsZeroes> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: DefaultIsZeroes> Drop for Buffer<T> {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl<T: DefaultIsZeroes> ZeroizeOnDrop for Buffer<T> {}
