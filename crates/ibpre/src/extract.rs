//! Extraction of a scope's key by its authority (`docs/scheme.md`, 2).

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::id::ScopeId;
use crate::keys::UserKey;
use crate::params::ParameterSet;
use crate::public::PublicParams;
use crate::ring::samplers::hash_to_rq;
use crate::setup::MasterKey;
use crate::trapdoor::Tree;

/// A master key prepared for extraction: its fast-Fourier tree. Secret, wiped on drop.
pub struct Extractor<P: ParameterSet> {
    tree: Tree<P>,
    public: PublicParams<P>,
}

/// The caller's durable list of targets for which a preimage was made.
///
/// Two preimages of one target give a short vector of the secret lattice away, so a target is
/// claimed before it is sampled, and the claim must be on disk before [`claim`](Self::claim)
/// returns. A claim whose key was then lost is lost: take a new salt.
pub trait Issued {
    /// Adds a target, or refuses it if it is there. `target` is `H_u(pkh, sid or gid)`.
    ///
    /// # Errors
    /// The target was claimed before (or the claim could not be made durable).
    fn claim(&mut self, target: &[u8; 32]) -> Result<(), AlreadyExtracted>;
}

/// A preimage of this target was made before; there is never a second one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyExtracted;

impl fmt::Display for AlreadyExtracted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a key for this target was extracted before: use the stored key, or a new salt"
        )
    }
}

impl std::error::Error for AlreadyExtracted {}

/// A list in memory: right where the process outlives every key, and for tests.
impl Issued for std::collections::BTreeSet<[u8; 32]> {
    fn claim(&mut self, target: &[u8; 32]) -> Result<(), AlreadyExtracted> {
        if self.insert(*target) {
            Ok(())
        } else {
            Err(AlreadyExtracted)
        }
    }
}

impl<P: ParameterSet> Extractor<P> {
    /// Builds the tree of a master key.
    pub fn new(master: &MasterKey<P>) -> Self {
        Self {
            tree: Tree::new(master.basis()),
            public: master.public_params().clone(),
        }
    }

    /// The public half of the master key.
    pub fn public_params(&self) -> &PublicParams<P> {
        &self.public
    }

    /// The key of a scope: a fresh short preimage of its target.
    ///
    /// # Errors
    /// The scope's target is in `issued` already.
    pub fn extract(
        &self,
        scope: ScopeId,
        issued: &mut impl Issued,
        rng: &mut impl CryptoRng,
    ) -> Result<UserKey<P>, AlreadyExtracted> {
        self.preimage(&self.public.scope_seed(scope), issued, rng)
            .map(UserKey::new)
    }

    /// s2 of a fresh preimage of HashToRq(seed), once for each seed.
    pub(crate) fn preimage(
        &self,
        seed: &[u8; 32],
        issued: &mut impl Issued,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<i32>, AlreadyExtracted> {
        issued.claim(seed)?;
        let (s1, s2) = self.tree.preimage(&hash_to_rq::<P>(seed), rng);
        drop(Zeroizing::new(s1));
        Ok(s2)
    }
}
