//! One party's calls to the node, in process.

use std::{io::Read, sync::atomic::Ordering};

use base::{AccountId, Cid, Digest, OperationId, RecordId, ScopeId, Signed, SignedOperation};
use consensus::{Sequencer as _, SubmitError};
use ledger::{
    Account, BagState, ConsistencyProof, Grant, Guardianship, Head, InclusionProof, Leaf, Page,
    QueryState, Receipt, Record, Recovery, RequestState, ScopeState, StateInfo, Transition,
};
use share::{Node, NodeError, prekey::Prekey};
use store::{BlockStore as _, GetError, unixfs};

use super::{Answer, Lies, Twist, World};

#[derive(Clone, Copy)]
pub struct Client<'a> {
    pub world: &'a World,
    pub account: AccountId,
}

fn fault(error: impl std::fmt::Display) -> NodeError {
    NodeError::Storage(error.to_string())
}

fn missing(error: GetError) -> NodeError {
    match error {
        GetError::Missing(cid) => NodeError::Missing(cid),
        GetError::Damaged(cid) => NodeError::Damaged(cid),
        other => fault(other),
    }
}

impl Client<'_> {
    /// What the node makes of an honest answer.
    fn twisted<T>(&self, twist: fn(&mut Lies) -> &mut Twist<T>, told: Answer<T>) -> Answer<T> {
        match twist(&mut self.world.lies.lock().unwrap()) {
            Some(twist) => twist(told),
            None => told,
        }
    }
}

const ALL: fn() -> Page = Page::default;

impl Node for Client<'_> {
    fn submit(&self, operation: &SignedOperation) -> Result<Receipt, NodeError> {
        if let Some(error) = self.world.lies.lock().unwrap().unsent.clone() {
            return Err(error);
        }
        let receipt = self
            .world
            .solo
            .submit(operation.to_bytes().0)
            .map_err(|error| match error {
                SubmitError::Refused(refusal) => NodeError::Refused(refusal),
                other => fault(other),
            });
        let receipt = self.twisted(|lies| &mut lies.submit, receipt)?;
        if *self.world.lost.lock().unwrap() == Some(operation.body.action.name()) {
            return Err(NodeError::Unreachable("the answer was lost".into()));
        }
        Ok(receipt)
    }
    fn head(&self) -> Result<Head, NodeError> {
        if let Some(head) = self.world.forged.lock().unwrap().clone() {
            return Ok(head);
        }
        self.world.view().head().map_err(fault)
    }
    fn sequence(&self, account: AccountId) -> Result<u64, NodeError> {
        let told = self.world.view().sequence(account).map_err(fault);
        self.twisted(|lies| &mut lies.sequence, told)
    }
    fn account(&self, account: AccountId) -> Result<Option<Account>, NodeError> {
        if let Some(lie) = self.world.lies.lock().unwrap().account.clone()
            && lie.id == account
        {
            return Ok(Some(lie));
        }
        self.world.view().account(account).map_err(fault)
    }
    fn record(&self, record: RecordId) -> Result<Option<Record>, NodeError> {
        self.world.view().record(record).map_err(fault)
    }
    fn records_of(&self, patient: AccountId) -> Result<Vec<Record>, NodeError> {
        Ok(self
            .world
            .view()
            .records_of(patient, ALL())
            .map_err(fault)?
            .items)
    }
    fn request(&self, request: OperationId) -> Result<Option<RequestState>, NodeError> {
        let told = self.world.view().request(request).map_err(fault);
        self.twisted(|lies| &mut lies.told_request, told)
    }
    fn requests_of(&self, account: AccountId) -> Result<Vec<RequestState>, NodeError> {
        Ok(self
            .world
            .view()
            .requests_of(account, ALL())
            .map_err(fault)?
            .items)
    }
    fn grant(&self, grant: OperationId) -> Result<Option<Grant>, NodeError> {
        if let Some(lie) = self.world.lies.lock().unwrap().grant.clone() {
            return Ok(Some(lie));
        }
        self.world.view().grant(grant).map_err(fault)
    }
    fn grants_of(&self, account: AccountId) -> Result<Vec<Grant>, NodeError> {
        Ok(self
            .world
            .view()
            .grants_of(account, ALL())
            .map_err(fault)?
            .items)
    }
    fn state(&self, record: RecordId, state: &Cid) -> Result<Option<StateInfo>, NodeError> {
        let told = self.world.view().state_of(record, *state).map_err(fault)?;
        let lie = self.world.lies.lock().unwrap().state;
        let told = told.map(|told| lie.filter(|lie| lie.state == told.state).unwrap_or(told));
        self.twisted(|lies| &mut lies.told_state, Ok(told))
    }
    fn states_of(&self, record: RecordId) -> Result<Vec<StateInfo>, NodeError> {
        Ok(self
            .world
            .view()
            .states_of(record, ALL())
            .map_err(fault)?
            .items)
    }
    fn institution_of(&self, account: AccountId) -> Result<Option<ledger::Institution>, NodeError> {
        self.world.view().institution_of(account).map_err(fault)
    }
    fn scope(&self, patient: AccountId, sid: ScopeId) -> Result<Option<ScopeState>, NodeError> {
        self.world.view().scope(patient, sid).map_err(fault)
    }
    fn bag(&self, patient: AccountId) -> Result<Option<BagState>, NodeError> {
        if let Some(lie) = self.world.lies.lock().unwrap().bag {
            return Ok(Some(lie));
        }
        self.world.view().bag(patient).map_err(fault)
    }
    fn guardianship(&self, account: AccountId) -> Result<Option<Guardianship>, NodeError> {
        if self.world.lies.lock().unwrap().no_guardians {
            return Ok(None);
        }
        let told = self.world.view().guardianship(account).map_err(fault);
        self.twisted(|lies| &mut lies.guardianship, told)
    }
    fn recovery(&self, recovery: OperationId) -> Result<Option<Recovery>, NodeError> {
        self.world.view().recovery(recovery).map_err(fault)
    }
    fn query(&self, query: OperationId) -> Result<Option<QueryState>, NodeError> {
        self.world.view().query(query).map_err(fault)
    }
    fn queries_of(&self, grant: OperationId) -> Result<Vec<QueryState>, NodeError> {
        if let Some(lie) = self.world.lies.lock().unwrap().queries.clone() {
            return Ok(lie);
        }
        Ok(self
            .world
            .view()
            .queries_of_grant(grant, ALL())
            .map_err(fault)?
            .items)
    }
    fn operation(&self, operation: OperationId) -> Result<Option<(u64, Leaf)>, NodeError> {
        let told = self.world.view().operation(operation).map_err(fault);
        self.twisted(|lies| &mut lies.operation, told)
    }
    fn receipt(&self, operation: OperationId) -> Result<Option<Receipt>, NodeError> {
        let told = self.world.view().receipt(operation).map_err(fault);
        self.twisted(|lies| &mut lies.receipt, told)
    }
    fn leaves(&self, from: u64, limit: u32) -> Result<Vec<Leaf>, NodeError> {
        let given = self.world.lies.lock().unwrap().leaves_given.pop_front();
        if let Some(count) = given {
            return self.world.view().leaves(from, count).map_err(fault);
        }
        if let Some(calls) = &mut self.world.lies.lock().unwrap().leaves_after {
            if *calls == 0 {
                let first = self.world.view().leaves(0, 1).map_err(fault)?;
                return Ok(vec![first[0].clone(); limit as usize]);
            }
            *calls -= 1;
        }
        self.world
            .view()
            .leaves(from, limit as usize)
            .map_err(fault)
    }
    fn head_at(&self, height: u64) -> Result<Option<Head>, NodeError> {
        let told = self.world.view().head_at(height).map_err(fault);
        self.twisted(|lies| &mut lies.head_at, told)
    }
    fn transitions(&self, since: u64, limit: u32) -> Result<Vec<Transition>, NodeError> {
        if let Some(told) = &mut self.world.lies.lock().unwrap().transitions {
            return told(since, limit);
        }
        let view = self.world.view();
        view.transitions(since, limit as usize).map_err(fault)
    }
    fn inclusion(&self, index: u64, tree_size: u64) -> Result<InclusionProof, NodeError> {
        let told = self.world.view().inclusion(index, tree_size);
        let told = told
            .map_err(fault)
            .and_then(|told| told.ok_or(NodeError::NotFound));
        self.twisted(|lies| &mut lies.inclusion, told)
    }
    fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof, NodeError> {
        let told = self.world.view().consistency(from, to);
        let told = told
            .map_err(fault)
            .and_then(|told| told.ok_or(NodeError::NotFound));
        self.twisted(|lies| &mut lies.consistency, told)
    }
    fn put_block(&self, cid: &Cid, bytes: &[u8]) -> Result<(), NodeError> {
        self.world.store.put(cid, bytes).map_err(fault)
    }
    fn read_block(&self, cid: &Cid) -> Result<Vec<u8>, NodeError> {
        self.world.store.get(cid).map_err(missing)
    }
    fn put_file(&self, source: &mut dyn Read) -> Result<Cid, NodeError> {
        if self.world.collects.load(Ordering::SeqCst) {
            let grace = std::time::Duration::ZERO;
            self.world
                .store
                .gc(grace, store::Absent::Allowed)
                .map_err(fault)?;
        }
        let mut batch = self.world.store.batch();
        let built =
            unixfs::add(unixfs::Profile::UNIXFS_V1_2025, source, &mut *batch).map_err(fault)?;
        batch.commit().map_err(fault)?;
        Ok(built.cid)
    }
    fn read_file(&self, cid: &Cid) -> Result<Box<dyn Read + Send + '_>, NodeError> {
        let store: &dyn store::BlockStore = &self.world.store;
        Ok(Box::new(
            unixfs::Reader::open(store, *cid).map_err(missing)?,
        ))
    }
    fn pin(&self, root: &Cid) -> Result<(), NodeError> {
        self.world.store.pin(root).map(drop).map_err(fault)
    }
    fn unpin(&self, root: &Cid) -> Result<(), NodeError> {
        let _ = self.world.store.unpin(root);
        Ok(())
    }
    fn send(&self, to: AccountId, letter: &[u8]) -> Result<(), NodeError> {
        if self.world.mail_down.load(Ordering::SeqCst) {
            return Err(NodeError::Unreachable("mailbox".into()));
        }
        if self.world.full.lock().unwrap().contains(&to) {
            return Err(NodeError::Storage("the mailbox is full".into()));
        }
        let mut mail = self.world.mail.lock().unwrap();
        let letters = mail.entry(to).or_default();
        if !letters.iter().any(|other| other == letter) {
            letters.push(letter.to_vec());
        }
        Ok(())
    }
    fn inbox(&self) -> Result<Vec<(Digest, Vec<u8>)>, NodeError> {
        let mail = self.world.mail.lock().unwrap();
        let letters = mail.get(&self.account).cloned().unwrap_or_default();
        Ok(letters
            .into_iter()
            .map(|letter| (Digest::of(&letter), letter))
            .collect())
    }
    fn delete_letter(&self, letter: Digest) -> Result<(), NodeError> {
        let mut mail = self.world.mail.lock().unwrap();
        mail.entry(self.account)
            .or_default()
            .retain(|other| Digest::of(other) != letter);
        Ok(())
    }
    fn put_prekeys(&self, prekeys: &[Signed<Prekey>]) -> Result<(), NodeError> {
        self.world
            .prekeys
            .lock()
            .unwrap()
            .entry(self.account)
            .or_default()
            .extend_from_slice(prekeys);
        Ok(())
    }
    fn take_prekey(&self, agent: AccountId) -> Result<Option<Signed<Prekey>>, NodeError> {
        Ok(self
            .world
            .prekeys
            .lock()
            .unwrap()
            .entry(agent)
            .or_default()
            .pop())
    }
    fn prekeys_left(&self, agent: AccountId) -> Result<usize, NodeError> {
        Ok(self
            .world
            .prekeys
            .lock()
            .unwrap()
            .entry(agent)
            .or_default()
            .len())
    }
    fn put_bag(&self, locator: Digest, head: &[u8]) -> Result<(), NodeError> {
        if self.world.bags_down.load(Ordering::SeqCst) {
            return Err(NodeError::Storage("no room for key bags".into()));
        }
        self.world
            .bags
            .lock()
            .unwrap()
            .insert(locator, head.to_vec());
        Ok(())
    }
    fn read_bag(&self, locator: Digest) -> Result<Option<Vec<u8>>, NodeError> {
        Ok(self.world.bags.lock().unwrap().get(&locator).cloned())
    }
}
