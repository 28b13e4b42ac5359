//! The one box secrets live in: on the heap, wiped on drop, without `Debug`, read by a name that
//! is easy to search for.

use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

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
