//! The store of blocks that the configuration chooses: our own, or a Kubo.
//!
//! A node keeps the one it began with: the records are there.

use std::{path::Path, sync::Arc};
use store::{BlockStore, Embedded};

use super::{BLOCKS, NodeParts, open::open_store};
use crate::{
    config::Backend,
    exit::{Exit, Fault, Result},
};

/// An open store of blocks.
pub(super) struct Blocks {
    /// The store.
    pub(super) store: Arc<dyn BlockStore>,
    /// The same, if it is our own: Kubo looks after its blocks itself.
    pub(super) embedded: Option<Arc<Embedded>>,
}

/// Opens it.
pub(super) fn open(parts: &NodeParts<'_>) -> Result<Blocks> {
    let (embedded, kubo) = (parts.folder.join(BLOCKS), parts.folder.join(KUBO));
    match parts.store.backend {
        Backend::Embedded => {
            refuse(&kubo, "kubo")?;
            let store = Arc::new(open_store(&embedded)?);
            Ok(Blocks {
                store: Arc::<Embedded>::clone(&store),
                embedded: Some(store),
            })
        }
        Backend::Kubo => {
            refuse(&embedded, "embedded")?;
            Ok(Blocks {
                store: open_kubo(parts, &kubo)?,
                embedded: None,
            })
        }
    }
}

/// Refuses to leave behind what another store keeps.
fn refuse(other: &Path, backend: &str) -> Result<()> {
    match other.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(_) => Err(Fault::new(
            Exit::Config,
            format!(
                "{} is there: this node's records are in its {backend} store; set store.backend = \"{backend}\"",
                other.display()
            ),
        )),
    }
}

#[cfg(not(feature = "kubo"))]
fn open_kubo(_: &NodeParts<'_>, _: &Path) -> Result<Arc<dyn BlockStore>> {
    Err(Fault::new(
        Exit::Config,
        "store.backend is \"kubo\", and this program was built without it; build it with --features kubo",
    ))
}

/// Opens the Kubo and says what it does not enforce and how it is set wrong.
#[cfg(feature = "kubo")]
fn open_kubo(parts: &NodeParts<'_>, folder: &Path) -> Result<Arc<dyn BlockStore>> {
    use crate::http::{Address, log_line};
    use store::{
        Kubo,
        kubo::{Endpoint, KuboSettings, OpenError},
    };

    let address: Address = parts
        .store
        .kubo_api
        .parse()
        .map_err(|error| Fault::new(Exit::Config, format!("store.kubo-api: {error}")))?;
    let endpoint = match address {
        Address::Unix(path) => Endpoint::Unix(path),
        Address::Loopback(address) => Endpoint::Tcp(address),
    };
    crate::files::make_private_folder(folder)?;
    let kubo = Kubo::open(KuboSettings {
        endpoint,
        folder: folder.to_owned(),
        patience: PATIENCE,
    })
    .map_err(|error| {
        let exit = match &error {
            OpenError::Rpc(_) | OpenError::Pins(_) => Exit::Unreachable,
            OpenError::InUse(_) => Exit::Busy,
            OpenError::NotLocal(_) => Exit::Config,
            _ => Exit::Home,
        };
        Fault::new(exit, error)
    })?;
    let unreachable = |error| Fault::new(Exit::Unreachable, error);
    log_line(&format!("blocks are kept in Kubo {}", kubo.version()));
    if kubo.serves_its_swarm().map_err(unreachable)? {
        log_line(
            &"this Kubo gives every block it holds to every member of its swarm: who may fetch \
              is not enforced by it (docs/ipfs.md)",
        );
    }
    for concern in kubo.concerns().map_err(unreachable)? {
        log_line(&format!("Kubo's settings: {concern} (docs/ipfs.md)"));
    }
    let found = kubo.reconciled();
    if found.pinned_again > 0 || found.absent > 0 {
        log_line(&format!(
            "of {} pinned blocks {} are not in the Kubo, and {} had lost their pin and have it again",
            found.reached, found.absent, found.pinned_again
        ));
    }
    Ok(Arc::new(kubo))
}

const KUBO: &str = "kubo";
#[cfg(feature = "kubo")]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
