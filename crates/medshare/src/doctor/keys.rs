//! Keys, vault and identity: what the passphrase opens, and whether it belongs together.

use base::{AccountId, operation::Role};

use super::finding::Finding;
use crate::{
    exit::Result,
    home::{Home, identity::Identity, passphrase::Passphrase, vault::LocalVault},
};

/// What can be told without the passphrase.
pub(super) fn sealed(home: &Home) -> Result<Finding> {
    Ok(match home.check_vault_pages() {
        Ok(()) => Finding::unknown(
            "vault",
            "its pages are whole; what they hold is sealed",
            "give the passphrase (--passphrase-file) to look at it",
        ),
        Err(fault) => Finding::unless_busy("vault", fault)?,
    })
}

/// The party and its vault, if they can be used.
pub(super) fn look(
    home: &Home,
    passphrase: &Passphrase,
    found: &mut Vec<Finding>,
) -> Result<Option<(Identity, LocalVault)>> {
    let keys = match home.unlock(passphrase) {
        Ok(keys) => keys,
        Err(fault) => {
            found.push(Finding::unless_busy("keys", fault)?);
            return Ok(None);
        }
    };
    found.push(Finding::ok("keys", "keys.age opens with the passphrase"));
    let opened = home
        .look_at_vault(&keys)
        .and_then(|vault| Ok((vault.unseal_all()?, vault)));
    let (entries, vault) = match opened {
        Ok(opened) => opened,
        Err(fault) => {
            found.push(Finding::unless_busy("vault", fault)?);
            return Ok(None);
        }
    };
    found.push(Finding::ok(
        "vault",
        format!("{entries} entries, every seal holds, none is missing or added"),
    ));
    Ok(
        match Identity::load(&vault, home.facts.chain, home.facts.account) {
            Ok(identity) => {
                found.push(who(home, &identity));
                Some((identity, vault))
            }
            Err(fault) => {
                found.push(Finding::unless_busy("identity", fault)?);
                None
            }
        },
    )
}

/// Keys, role and account belong together, as far as that can be told without a ledger.
fn who(home: &Home, identity: &Identity) -> Finding {
    let key = identity.party.operation.public();
    let account = home.facts.account;
    let wrong = |says: &str| {
        Finding::problem(
            "identity",
            says,
            "put back the vault and keys.age of this home, both from one copy",
        )
    };
    let has = match home.facts.role {
        Role::Patient => identity.patient.is_some() || identity.ward.is_some(),
        Role::Hospital => identity.party.record.is_some(),
        _ => true,
    };
    if !has {
        return wrong("the vault lacks the keys of the home's role");
    }
    match AccountId::of(&key) == account {
        true => Finding::ok("identity", "the operation key is the account's first"),
        false => Finding::ok(
            "identity",
            "the operation key replaced the account's first; the ledger knows whether it is the current one",
        ),
    }
}
