//! [`HttpNode`] as `share` wants a node: every route of `/v1` that a party uses.

use base::{
    AccountId, Cid, Digest, OperationId, RecordId, ScopeId, Signed, SignedOperation, codec,
};
use hyper::Method;
use ledger::{
    Account, BagState, ConsistencyProof, Grant, Guardianship, Head, InclusionProof, Institution,
    Leaf, QueryState, Receipt, Record, Recovery, RequestState, ScopeState, StateInfo, Transition,
};
use share::{
    node::{Node, NodeError},
    prekey::Prekey,
};
use std::io::{self, Read};
use store::{GetError, Source, unixfs};

use super::{
    client::{HttpNode, decode, endless},
    message::{BagHead, Count, Leaves, Letters, LoggedOperation, Prekeys, letter_name},
};

type Result<T> = std::result::Result<T, NodeError>;

impl Node for HttpNode {
    fn submit(&self, operation: &SignedOperation) -> Result<Receipt> {
        decode(&self.post_operation(operation)?)
    }

    fn head(&self) -> Result<Head> {
        self.read("/v1/head")
    }

    fn sequence(&self, account: AccountId) -> Result<u64> {
        let count: Option<Count> = self.find(&format!("/v1/accounts/{account}/sequence"))?;
        Ok(count.map_or(0, |count| count.count))
    }

    fn account(&self, account: AccountId) -> Result<Option<Account>> {
        self.find(&format!("/v1/accounts/{account}"))
    }

    fn record(&self, record: RecordId) -> Result<Option<Record>> {
        self.find(&format!("/v1/records/{record}"))
    }

    fn records_of(&self, patient: AccountId) -> Result<Vec<Record>> {
        self.list(&format!("/v1/accounts/{patient}/records"))
    }

    fn request(&self, request: OperationId) -> Result<Option<RequestState>> {
        self.find(&format!("/v1/requests/{request}"))
    }

    fn requests_of(&self, account: AccountId) -> Result<Vec<RequestState>> {
        self.list(&format!("/v1/accounts/{account}/requests"))
    }

    fn grant(&self, grant: OperationId) -> Result<Option<Grant>> {
        self.find(&format!("/v1/grants/{grant}"))
    }

    fn grants_of(&self, account: AccountId) -> Result<Vec<Grant>> {
        self.list(&format!("/v1/accounts/{account}/grants"))
    }

    fn state(&self, record: RecordId, state: &Cid) -> Result<Option<StateInfo>> {
        self.find(&format!("/v1/records/{record}/states/{state}"))
    }

    fn states_of(&self, record: RecordId) -> Result<Vec<StateInfo>> {
        self.list(&format!("/v1/records/{record}/states"))
    }

    fn institution_of(&self, account: AccountId) -> Result<Option<Institution>> {
        self.find(&format!("/v1/accounts/{account}/institution"))
    }

    fn scope(&self, patient: AccountId, sid: ScopeId) -> Result<Option<ScopeState>> {
        self.find(&format!("/v1/scopes/{patient}/{sid}"))
    }

    fn bag(&self, patient: AccountId) -> Result<Option<BagState>> {
        self.find(&format!("/v1/accounts/{patient}/bag"))
    }

    fn guardianship(&self, account: AccountId) -> Result<Option<Guardianship>> {
        self.find(&format!("/v1/accounts/{account}/guardianship"))
    }

    fn recovery(&self, recovery: OperationId) -> Result<Option<Recovery>> {
        self.find(&format!("/v1/recoveries/{recovery}"))
    }

    fn query(&self, query: OperationId) -> Result<Option<QueryState>> {
        self.find(&format!("/v1/queries/{query}"))
    }

    fn queries_of(&self, grant: OperationId) -> Result<Vec<QueryState>> {
        self.list(&format!("/v1/grants/{grant}/queries"))
    }

    fn operation(&self, operation: OperationId) -> Result<Option<(u64, Leaf)>> {
        let found: Option<LoggedOperation> = self.find(&format!("/v1/operations/{operation}"))?;
        found
            .map(|found| {
                let leaf =
                    codec::decode(&found.leaf).map_err(|e| NodeError::BadAnswer(e.to_string()))?;
                Ok((found.index, leaf))
            })
            .transpose()
    }

    fn receipt(&self, operation: OperationId) -> Result<Option<Receipt>> {
        self.find(&format!("/v1/operations/{operation}/receipt"))
    }

    fn leaves(&self, from: u64, limit: u32) -> Result<Vec<Leaf>> {
        let page: Leaves = self.read(&format!("/v1/leaves?from={from}&limit={limit}"))?;
        if page.leaves.len() > limit as usize {
            return Err(NodeError::BadAnswer(
                "more leaves than were asked for".into(),
            ));
        }
        page.leaves
            .iter()
            .map(|leaf| {
                codec::decode(leaf).map_err(|error| NodeError::BadAnswer(error.to_string()))
            })
            .collect()
    }

    fn head_at(&self, height: u64) -> Result<Option<Head>> {
        self.find(&format!("/v1/heads/{height}"))
    }

    fn transitions(&self, since: u64, limit: u32) -> Result<Vec<Transition>> {
        self.read(&format!("/v1/transitions?from={since}&limit={limit}"))
    }

    fn inclusion(&self, index: u64, tree_size: u64) -> Result<InclusionProof> {
        self.read(&format!(
            "/v1/proofs/inclusion?index={index}&size={tree_size}"
        ))
    }

    fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof> {
        self.read(&format!("/v1/proofs/consistency?from={from}&to={to}"))
    }

    fn put_block(&self, cid: &Cid, bytes: &[u8]) -> Result<()> {
        self.ticketed(Method::PUT, &format!("/v1/blocks/{cid}"), bytes.to_vec())?;
        Ok(())
    }

    fn read_block(&self, cid: &Cid) -> Result<Vec<u8>> {
        let bytes = self
            .get_within(&format!("/v1/blocks/{cid}"), store::MAX_BLOCK)
            .map_err(|error| match error {
                NodeError::NotFound => NodeError::Missing(*cid),
                other => other,
            })?;
        store::check(cid, &bytes).map_err(|_| NodeError::Damaged(*cid))?;
        Ok(bytes)
    }

    fn put_file(&self, source: &mut dyn Read) -> Result<Cid> {
        self.upload(source)
    }

    fn read_file(&self, cid: &Cid) -> Result<Box<dyn Read + Send + '_>> {
        let reader = unixfs::Reader::open(Blocks(self), *cid).map_err(|error| from_get(&error))?;
        Ok(Box::new(File(reader)))
    }

    fn pin(&self, root: &Cid) -> Result<()> {
        self.ticketed(Method::PUT, &format!("/v1/pins/{root}"), Vec::new())?;
        Ok(())
    }

    fn unpin(&self, root: &Cid) -> Result<()> {
        self.ticketed(Method::DELETE, &format!("/v1/pins/{root}"), Vec::new())?;
        Ok(())
    }

    fn send(&self, to: AccountId, letter: &[u8]) -> Result<()> {
        self.ticketed(Method::POST, &format!("/v1/mailbox/{to}"), letter.to_vec())?;
        Ok(())
    }

    fn inbox(&self) -> Result<Vec<(Digest, Vec<u8>)>> {
        let mut all = Vec::new();
        let mut after = 0;
        let mut allowance = self.allowance();
        loop {
            let bytes = self.ticketed(
                Method::GET,
                &format!("/v1/mailbox?after={after}"),
                Vec::new(),
            )?;
            allowance.spend(bytes.len())?;
            let page: Letters = decode(&bytes)?;
            if page.letters.is_empty() {
                return Ok(all);
            }
            for (number, _) in &page.letters {
                if *number <= after {
                    return Err(endless());
                }
                after = *number;
            }
            all.extend(page.letters.into_iter().map(|(_, letter)| {
                let letter = letter.into_vec();
                (letter_name(&letter), letter)
            }));
        }
    }

    fn delete_letter(&self, letter: Digest) -> Result<()> {
        self.ticketed(Method::DELETE, &format!("/v1/mailbox/{letter}"), Vec::new())?;
        Ok(())
    }

    fn put_prekeys(&self, prekeys: &[Signed<Prekey>]) -> Result<()> {
        for some in prekeys.chunks(PREKEYS_A_REQUEST) {
            let body = Prekeys {
                prekeys: some.iter().map(|key| codec::encode(key).into()).collect(),
            };
            self.ticketed(Method::PUT, "/v1/prekeys", codec::encode(&body))?;
        }
        Ok(())
    }

    fn take_prekey(&self, agent: AccountId) -> Result<Option<Signed<Prekey>>> {
        let path = format!("/v1/prekeys/{agent}/take");
        match self.ticketed(Method::POST, &path, Vec::new()) {
            Ok(bytes) => codec::decode(&bytes)
                .map(Some)
                .map_err(|error| NodeError::BadAnswer(error.to_string())),
            Err(NodeError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn prekeys_left(&self, agent: AccountId) -> Result<usize> {
        let count: Count = self.read(&format!("/v1/prekeys/{agent}"))?;
        Ok(usize::try_from(count.count).unwrap_or(usize::MAX))
    }

    fn put_bag(&self, locator: Digest, head: &[u8]) -> Result<()> {
        let body = BagHead {
            head: head.to_vec().into(),
        };
        self.ticketed(
            Method::PUT,
            &format!("/v1/bags/{locator}"),
            codec::encode(&body),
        )?;
        Ok(())
    }

    fn read_bag(&self, locator: Digest) -> Result<Option<Vec<u8>>> {
        let bag: Option<BagHead> = self.find(&format!("/v1/bags/{locator}"))?;
        Ok(bag.map(|bag| bag.head.into_vec()))
    }
}

impl HttpNode {
    /// Number of the newest letter in this party's own mailbox; 0 if there is none.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn newest_letter(&self) -> Result<u64> {
        let count: Count =
            decode(&self.ticketed(Method::GET, "/v1/mailbox/newest", Vec::new())?)?;
        Ok(count.count)
    }
}

/// The node's blocks as a file reader takes them: each hashed again on this side.
pub(super) struct Blocks<'a>(pub(super) &'a HttpNode);

impl Source for Blocks<'_> {
    fn block(&self, cid: &Cid) -> std::result::Result<Vec<u8>, GetError> {
        self.0.read_block(cid).map_err(|error| match error {
            NodeError::Missing(cid) => GetError::Missing(cid),
            NodeError::Damaged(cid) => GetError::Damaged(cid),
            other => GetError::Io {
                cid: *cid,
                source: io::Error::other(other),
            },
        })
    }
}

/// A file whose read errors hold a [`NodeError`].
struct File<'a>(unixfs::Reader<Blocks<'a>>);

impl Read for File<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            let node = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<GetError>())
                .map(from_get);
            match node {
                Some(node) => io::Error::other(node),
                None => error,
            }
        })
    }
}

fn from_get(error: &GetError) -> NodeError {
    match error {
        GetError::Missing(cid) => NodeError::Missing(*cid),
        GetError::Damaged(cid) => NodeError::Damaged(*cid),
        GetError::Io { source, .. } => source
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<NodeError>())
            .cloned()
            .unwrap_or_else(|| NodeError::Local(source.to_string())),
        other => NodeError::BadAnswer(other.to_string()),
    }
}

/// A signed one-time key has about 1.5 kB.
const PREKEYS_A_REQUEST: usize = 200;
