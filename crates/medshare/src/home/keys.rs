//! `keys.age`: the secrets that open everything else of a home, under the passphrase.
//!
//! An age file with one scrypt stanza. Its work factor stands in the file itself (age
//! format, section "scrypt recipient stanza") and is read from there.

use age::{Decryptor, Encryptor, scrypt, secrecy::SecretString};
use base::{Version, codec, operation::Role};
use serde::{Deserialize, Serialize};
use std::{
    io::{Read as _, Write as _},
    iter,
    path::Path,
};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::passphrase::Passphrase;
use crate::{
    exit::{Exit, Fault, Result},
    files,
};

/// What `keys.age` holds.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    #[serde(rename = "v")]
    #[zeroize(skip)]
    version: Version,
    /// The role whose keys these are.
    #[zeroize(skip)]
    pub role: Role,
    /// Opens the vault.
    #[serde(with = "serde_bytes")]
    vault: [u8; 32],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({:?})", self.role)
    }
}

impl Keys {
    /// Fresh keys of a home in `role`.
    pub fn new(role: Role) -> Self {
        Self {
            version: Version,
            role,
            vault: crate::system::random32(),
        }
    }

    /// The vault's key.
    pub fn vault_secret(&self) -> &[u8; 32] {
        &self.vault
    }

    /// Writes the file durably.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub fn write(&self, path: &Path, passphrase: &Passphrase, work_factor: u8) -> Result<()> {
        let mut recipient = scrypt::Recipient::new(secret(passphrase));
        recipient.set_work_factor(work_factor.clamp(1, MAX_WORK_FACTOR));
        let plain = Zeroizing::new(codec::encode(self));
        let mut sealed = Vec::new();
        let failed = |error: &dyn std::fmt::Display| {
            Fault::new(Exit::Internal, format!("sealing the keys: {error}"))
        };
        let mut writer = Encryptor::with_recipients(iter::once(&recipient as &dyn age::Recipient))
            .map_err(|error| failed(&error))?
            .wrap_output(&mut sealed)
            .map_err(|error| failed(&error))?;
        writer.write_all(&plain).map_err(|error| failed(&error))?;
        writer.finish().map_err(|error| failed(&error))?;
        files::write_private(path, &sealed)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`Exit::Passphrase`] for a wrong one, [`Exit::Home`] for a file that is no key file.
    pub fn read(path: &Path, passphrase: &Passphrase) -> Result<Self> {
        let name = path.display();
        let damaged = |reason: &str| {
            Fault::new(
                Exit::Home,
                format!(
                    "{name} is no key file of medshare or damaged ({reason}); restore it from the backup"
                ),
            )
        };
        let sealed = files::read_kept(path, MAX_FILE)?;
        let decryptor =
            Decryptor::new(sealed.as_slice()).map_err(|error| damaged(&error.to_string()))?;
        if !decryptor.is_scrypt() {
            return Err(damaged("not protected by a passphrase"));
        }
        let mut identity = scrypt::Identity::new(secret(passphrase));
        identity.set_max_work_factor(MAX_WORK_FACTOR);
        let mut reader = decryptor
            .decrypt(iter::once(&identity as &dyn age::Identity))
            .map_err(|error| match error {
                age::DecryptError::DecryptionFailed | age::DecryptError::KeyDecryptionFailed => {
                    Fault::new(
                        Exit::Passphrase,
                        format!("wrong passphrase for {name}; try again"),
                    )
                }
                age::DecryptError::ExcessiveWork { required, .. } => damaged(&format!(
                    "work factor {required} is above the limit of {MAX_WORK_FACTOR}"
                )),
                other => damaged(&other.to_string()),
            })?;
        let mut plain = Zeroizing::new(Vec::with_capacity(MAX_FILE));
        reader
            .read_to_end(&mut plain)
            .map_err(|error| damaged(&error.to_string()))?;
        codec::decode(&plain).map_err(|error| match error {
            codec::DecodeError::Version { version, .. } => {
                Fault::newer(Exit::Home, path.display(), version)
            }
            other => damaged(&other.to_string()),
        })
    }
}

fn secret(passphrase: &Passphrase) -> SecretString {
    SecretString::from(passphrase.as_str().to_owned())
}

/// 2^22 needs 4 GiB; age's own advice is not to go above.
const MAX_WORK_FACTOR: u8 = 22;
const MAX_FILE: usize = 64 << 10;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_the_passphrase_opens_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.age");
        let right = Zeroizing::new("correct horse".to_owned());
        let keys = Keys::new(Role::Agent);
        keys.write(&path, &right, 2).unwrap();
        let again = Keys::read(&path, &right).unwrap();
        assert_eq!(again.vault_secret(), keys.vault_secret());
        let wrong = Keys::read(&path, &Zeroizing::new("wrong horse".to_owned())).unwrap_err();
        assert_eq!(wrong.exit, Exit::Passphrase);
        let whole = std::fs::read(&path).unwrap();
        for (name, bytes) in [
            ("truncated", whole[..whole.len() - 9].to_vec()),
            ("foreign", b"not an age file at all".to_vec()),
            ("empty", Vec::new()),
            ("flipped", {
                let mut bytes = whole.clone();
                let last = bytes.len() - 20;
                bytes[last] ^= 1;
                bytes
            }),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(
                Keys::read(&path, &right).unwrap_err().exit,
                Exit::Home,
                "{name}"
            );
        }
    }
}
