//! Many capsules at once, on as many cores as there are.
//!
//! Each item is worked on as its verb alone would do it, with the same result; results stand in the
//! order of the items, and one that fails fails alone. Scoped threads of the standard library take
//! the items in small blocks, so that a core that is busy with other things does not keep the rest
//! waiting. Nothing here knows what an item is.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::decapsulate::{DecapsulationKey, NotAccepted};
use crate::encapsulate::{Capsule, SharedSecret};
use crate::id::{CapsuleId, GrantId};
use crate::keys::NoiseKey;
use crate::open::{OpenFailed, Opener};
use crate::params::ParameterSet;
use crate::public::ScopeKey;
use crate::reencrypt::{AcceptedCapsule, Proxy, ReencryptedCapsule};

/// The cores this process may use; 1 if that is unknown.
pub fn all_cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// `work` of every item, in the order of the items, by at most `threads` threads.
///
/// Fewer threads run if there is less to do than for that many; one thread is the caller's own. A
/// panic of `work` is passed on.
pub fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    threads: NonZeroUsize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    in_blocks(BLOCK, items, threads, work)
}

/// [`in_parallel`] with `block` items taken at a time, at least one.
pub(crate) fn in_blocks<T: Sync, R: Send>(
    block: usize,
    items: &[T],
    threads: NonZeroUsize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let threads = threads.get().min(items.len().div_ceil(block));
    if threads <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(items) = items.chunks(block).nth(at) else {
                return done;
            };
            done.push((at, items.iter().map(&work).collect::<Vec<R>>()));
        }
    };
    let mut blocks = thread::scope(|scope| {
        // A thread that the system does not give is done without: the others take its items.
        let others: Vec<_> = (1..threads)
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, worker).ok())
            .collect();
        let mut blocks = worker();
        for other in others {
            match other.join() {
                Ok(done) => blocks.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        blocks
    });
    blocks.sort_unstable_by_key(|&(at, _)| at);
    blocks.into_iter().flat_map(|(_, done)| done).collect()
}

/// Items a thread takes at a time: some tenths of a millisecond of work.
const BLOCK: usize = 16;

impl<P: ParameterSet> ScopeKey<P> {
    /// `count` times [`encapsulate`](Self::encapsulate): the same capsules and secrets as one by one
    /// with the same `rng`.
    pub fn encapsulate_many(
        &self,
        count: usize,
        rng: &mut impl CryptoRng,
        threads: NonZeroUsize,
    ) -> Vec<(SharedSecret<P>, Capsule<P>)> {
        let mut messages = Zeroizing::new(vec![[0; 32]; count]);
        for message in messages.iter_mut() {
            rng.fill_bytes(message);
        }
        in_parallel(&messages, threads, |m| self.encapsulate_with(m))
    }
}

impl<P: ParameterSet> Proxy<P> {
    /// [`reencrypt`](Self::reencrypt) of every capsule under one grant; each with its
    /// [`id`](Capsule::id).
    pub fn reencrypt_many(
        &self,
        capsules: &[(AcceptedCapsule<P>, CapsuleId)],
        noise_key: &NoiseKey,
        grant: GrantId,
        threads: NonZeroUsize,
    ) -> Vec<ReencryptedCapsule<P>> {
        in_parallel(capsules, threads, |(capsule, id)| {
            self.reencrypt(capsule, noise_key, grant, *id)
        })
    }
}

impl<P: ParameterSet> DecapsulationKey<P> {
    /// [`accept`](Self::accept) of every capsule; each says for itself whether it is genuine.
    pub fn accept_many(
        &self,
        capsules: &[Capsule<P>],
        threads: NonZeroUsize,
    ) -> Vec<Result<SharedSecret<P>, NotAccepted>> {
        in_parallel(capsules, threads, |capsule| self.accept(capsule))
    }
}

impl<P: ParameterSet> Opener<P> {
    /// [`decapsulate`](Self::decapsulate) of every pair; each opens or fails for itself.
    pub fn decapsulate_many(
        &self,
        pairs: &[(Capsule<P>, ReencryptedCapsule<P>)],
        threads: NonZeroUsize,
    ) -> Vec<Result<SharedSecret<P>, OpenFailed>> {
        in_parallel(pairs, threads, |(capsule, reencrypted)| {
            self.decapsulate(capsule, reencrypted)
        })
    }
}
