//! `medshare anchor key`.

use anchor::{BadKey, Chain};
use base::operation::Role;
use serde_json::json;
use std::path::PathBuf;
use zeroize::Zeroizing;

use super::require;
use crate::{
    cli::{account::read_text, context::Context},
    exit::{Exit, Fault, Result},
    home::{Home, identity::Identity},
    system,
};

type Secret = Zeroizing<[u8; 32]>;

/// Makes or takes the key that pays in `chain`, and prints its address.
pub(super) fn run(
    chain: Chain,
    import: Option<PathBuf>,
    network: Option<&str>,
    context: &Context,
) -> Result<()> {
    require(chain)?;
    let configured = context.config.anchor.bitcoin.as_ref();
    let network = network.or(configured.map(|config| config.network.as_str()));
    // An address that cannot be written is refused before a key is made.
    address(chain, &[1; 32], network)?;
    let given = match import {
        None => None,
        Some(path) => {
            let text = Zeroizing::new(read_text(&path, 256)?);
            Some(read(chain, &text)?)
        }
    };
    let (_, secret) = own(chain, given, context)?;
    let address = address(chain, &secret, network)?;
    context.output.data(
        &json!({"chain": chain.name(), "address": address}),
        &address,
    )
}

fn read(chain: Chain, text: &str) -> Result<Secret> {
    let wrong = || Fault::new(Exit::Invalid, "a key is 64 hexadecimal digits");
    let digits = text.trim();
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits.strip_prefix("0x").unwrap_or(digits), &mut *bytes)
        .map_err(|_| wrong())?;
    usable(chain, &bytes).map_err(|error| Fault::new(Exit::Invalid, error))?;
    Ok(bytes)
}

/// The home's key for a chain: the one that is given if there is none yet, else a fresh one.
pub(super) fn own(
    chain: Chain,
    given: Option<Secret>,
    context: &Context,
) -> Result<(Home, Secret)> {
    let home = context.open_home()?;
    home.require(&[Role::Node])?;
    let keys = context.keys(&home)?;
    let session = home.enter(&keys, context.patience)?;
    if let Some(secret) = Identity::anchor_key(&session.vault, chain)? {
        if given.is_some_and(|given| given != secret) {
            return Err(Fault::new(
                Exit::Home,
                "this home has a key already, and anchors may hang on it",
            ));
        }
        usable(chain, &secret).map_err(|error| Fault::new(Exit::Home, error))?;
        return Ok((home.clone(), secret));
    }
    let secret = given.unwrap_or_else(|| {
        let mut fresh = Zeroizing::new([0; 32]);
        // All but one in 2^128 are keys.
        while usable(chain, &fresh).is_err() {
            system::fill_random(&mut *fresh);
        }
        fresh
    });
    Identity::set_anchor_key(&session.vault, chain, &secret)?;
    Ok((home.clone(), secret))
}

#[cfg_attr(
    not(any(feature = "bitcoin", feature = "eos", feature = "ethereum")),
    allow(unused_variables)
)]
fn usable(chain: Chain, secret: &[u8; 32]) -> std::result::Result<(), BadKey> {
    match chain {
        #[cfg(feature = "ethereum")]
        Chain::Ethereum => anchor::ethereum::Key::new(secret).map(drop),
        #[cfg(feature = "bitcoin")]
        Chain::Bitcoin => anchor::bitcoin::Key::new(secret).map(drop),
        #[cfg(feature = "eos")]
        Chain::Eos => anchor::eos::Key::new(secret).map(drop),
        #[allow(unreachable_patterns)]
        _ => Err(BadKey),
    }
}

/// The address of a key, as the chain writes it.
#[cfg_attr(
    not(any(feature = "bitcoin", feature = "eos", feature = "ethereum")),
    allow(unused_variables)
)]
fn address(chain: Chain, secret: &[u8; 32], network: Option<&str>) -> Result<String> {
    match chain {
        #[cfg(feature = "ethereum")]
        Chain::Ethereum => {
            let key = anchor::ethereum::Key::new(secret);
            let key = key.map_err(|error| Fault::new(Exit::Home, error))?;
            Ok(super::ethereum::shown(&key.address()))
        }
        #[cfg(feature = "bitcoin")]
        Chain::Bitcoin => {
            use anchor::bitcoin::{Key, Network};
            let network = Network::from_core_arg(network.unwrap_or("main")).map_err(|_| {
                let known = "--network: known are main, testnet4, signet, regtest";
                Fault::new(Exit::Usage, known)
            })?;
            let key = Key::new(secret).map_err(|error| Fault::new(Exit::Home, error))?;
            Ok(key.payer().address(network))
        }
        #[cfg(feature = "eos")]
        Chain::Eos => {
            let key = anchor::eos::Key::new(secret);
            let key = key.map_err(|error| Fault::new(Exit::Home, error))?;
            Ok(key.public())
        }
        #[allow(unreachable_patterns)]
        _ => require(chain).map(|()| String::new()),
    }
}
