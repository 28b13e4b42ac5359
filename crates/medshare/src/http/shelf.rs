//! The operator's side of the store's routes: [`HttpNode`] with the node's own account.

use base::Cid;
use hyper::Method;
use ledger::Listing;
use share::node::NodeError;
use std::io::Read;
use store::Source;

use super::{
    client::{HttpNode, decode},
    message::{Collected, JobStanding, Pinned, StoreFacts, Tree},
    party::Blocks,
};

type Result<T> = std::result::Result<T, NodeError>;

impl HttpNode {
    /// What the store holds.
    ///
    /// # Errors
    /// [`NodeError`], as every one of these.
    pub fn store_facts(&self) -> Result<StoreFacts> {
        decode(&self.ticketed(Method::GET, "/v1/store", Vec::new())?)
    }

    /// Pinned roots from number `from` on, and the number of the next page.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn store_pins(&self, from: u64) -> Result<Listing<Pinned>> {
        let path = format!("/v1/store/pins?from={from}");
        decode(&self.ticketed(Method::GET, &path, Vec::new())?)
    }

    /// Blocks and bytes that a root reaches in the store.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn store_tree(&self, root: &Cid) -> Result<Tree> {
        let path = format!("/v1/store/trees/{root}");
        decode(&self.ticketed(Method::GET, &path, Vec::new())?)
    }

    /// Begins `fetch` or `verify` on a tree, or tells how far it is.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn store_work(&self, work: &str, root: &Cid) -> Result<JobStanding> {
        let path = format!("/v1/store/{work}/{root}");
        decode(&self.ticketed(Method::POST, &path, Vec::new())?)
    }

    /// Deletes what came up and was never pinned.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn store_collect(&self) -> Result<Collected> {
        decode(&self.ticketed(Method::POST, "/v1/store/gc", Vec::new())?)
    }

    /// Sends a CARv1 up; its blocks are stored and its roots pinned.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn store_import(&self, car: &mut dyn Read) -> Result<Tree> {
        decode(&self.send_up("/v1/store/cars", car, |_| Ok(()))?)
    }

    /// The node's blocks, each hashed again on this side.
    pub fn blocks(&self) -> impl Source + '_ {
        Blocks(self)
    }
}
