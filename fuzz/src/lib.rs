//! Every decoder of bytes from outside, by name, with honest bytes to start from.
//!
//! Two users: the programs of `fuzz_targets`, under libFuzzer (`cargo xtask fuzz`), and the
//! test `crates/medshare/tests/decoders.rs`, which takes this file in as a module and feeds
//! every decoder the seeds, whole, cut and spoilt. A decoder may refuse; it must not panic,
//! and what it accepts must obey the laws that its function states. It does no cryptography
//! beyond what reading needs, so that libFuzzer gets tens of thousands of tries a second.

mod blocks;
mod ledger;
mod scheme;
mod share;
mod vocabulary;

use std::{fs, path::PathBuf, sync::OnceLock};

/// One decoder.
pub struct Decoder {
    /// Its name within the target.
    pub name: &'static str,
    /// Feeds it bytes; whether it accepts them. Panics if a law does not hold.
    pub run: fn(&[u8]) -> bool,
}

/// Decoders that are fuzzed together: every input goes to each of them.
pub struct Target {
    /// The program under `fuzz_targets`.
    pub name: &'static str,
    /// The decoders.
    pub decoders: &'static [Decoder],
    /// Honest bytes, made anew by the code that writes them.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All but `files` and `peers`, which need the binary and are modules of their own.
pub const TARGETS: &[&Target] = &[&SCHEME, &VOCABULARY, &LEDGER, &SHARE, &BLOCKS];

pub use blocks::BLOCKS;
pub use ledger::LEDGER;
pub use scheme::SCHEME;
pub use share::SHARE;
pub use vocabulary::VOCABULARY;

/// The one decoder to run, if `DECODER` names one.
static ONLY: OnceLock<Option<&'static Decoder>> = OnceLock::new();

impl Target {
    /// Writes the seeds into the folder that `SEEDS` names, if it names one; looks whether
    /// one decoder alone is wanted.
    ///
    /// # Panics
    /// If the folder cannot be written, or there is no decoder of that name.
    pub fn start(&'static self) {
        if let Some(folder) = std::env::var_os("SEEDS").map(PathBuf::from) {
            fs::create_dir_all(&folder).expect("the folder of seeds");
            for (number, seed) in (self.seeds)().into_iter().enumerate() {
                fs::write(folder.join(format!("seed-{number:03}")), seed).expect("a seed");
            }
        }
        let only = std::env::var("DECODER").ok().map(|wanted| {
            let names: Vec<&str> = self.decoders.iter().map(|decoder| decoder.name).collect();
            let found = self.decoders.iter().find(|decoder| decoder.name == wanted);
            found.unwrap_or_else(|| panic!("no decoder {wanted}; there are: {}", names.join(", ")))
        });
        ONLY.get_or_init(|| only);
    }

    /// Feeds `bytes` to every decoder, or to the one that [`start`](Self::start) found.
    pub fn run(&self, bytes: &[u8]) {
        if let Some(Some(only)) = ONLY.get() {
            (only.run)(bytes);
            return;
        }
        for decoder in self.decoders {
            (decoder.run)(bytes);
        }
    }
}

/// Decodes canonical DAG-CBOR as `T`: what is accepted encodes to the same bytes.
pub fn canonical<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) -> bool {
    base::codec::decode::<T>(bytes).is_ok_and(|value| {
        assert!(base::codec::encode(&value) == bytes, "a second spelling");
        true
    })
}

/// Gives UTF-8 to a decoder of text.
pub fn text(bytes: &[u8], accepts: impl Fn(&str) -> bool) -> bool {
    std::str::from_utf8(bytes).is_ok_and(accepts)
}
