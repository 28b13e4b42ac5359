//! Looking around: how far others are, whether their ledgers are this one, and what waits too
//! long in the pool.

use base::{AccountId, Signed};
use ledger::{Head, View};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{App, Watch};
use crate::{
    bft::{
        context::{BlockId, Part, Tip, TipWord},
        pool::Dropped,
        shared::Watching,
    },
    follow::chase::{self, Setback},
};

impl App {
    /// Every now and then: says how far this node is, and clears the pool of what cannot be.
    pub(super) async fn look_around(&mut self) {
        let (waiting, accounts) = {
            let pool = self.shared.pool();
            (pool.len(), pool.accounts())
        };
        self.shared.standing().waiting = waiting;
        self.sweep(accounts, Some(STRANDED));
        if let Err(fault) = self.send_accusations() {
            self.trouble(fault.to_string());
        }
        if self.watch.is_some() {
            return; // to the others it is as one that is down
        }
        let Ok(head) = self.shared.ledger.view().and_then(|view| view.head()) else {
            return;
        };
        let Some(secret) = self.ring.at(head.header.height + 1) else {
            return; // no validator, so nobody asks
        };
        let word = TipWord {
            chain: head.header.chain,
            account: self.ring.account,
            height: head.header.height,
            header: head.header.cid(),
        };
        // Also its own: who asks which validators sign is told of all.
        let own = (word.height, Instant::now());
        self.shared.standing().seen.insert(word.account, own);
        let word = Signed::new(word, &secret);
        let part = self.numbers.single(Part::Tip(Box::new(Tip { head, word })));
        self.publish(part).await;
    }

    /// Takes out the operations of accounts that the log has outrun; with a patience also those
    /// that wait for a number that does not come.
    pub(super) fn sweep(&self, accounts: Vec<AccountId>, patience: Option<Duration>) {
        let Ok(view) = self.shared.ledger.view() else {
            return;
        };
        let waiting = |account: &AccountId| self.shared.pool().has_any(*account);
        for account in accounts.into_iter().filter(waiting) {
            let Ok(used) = view.sequence(account) else {
                return;
            };
            let mut pool = self.shared.pool();
            let mut dropped = pool.outrun(account, used);
            if let Some(patience) = patience {
                dropped.extend(pool.stranded(account, used, patience, Instant::now()));
            }
            drop(pool);
            for one in dropped {
                answer(&view, one);
            }
        }
    }

    /// Another validator's word on how far it is, with the head that shows it. A certified
    /// head that cannot be of this ledger stops the node.
    pub(super) fn observe(&mut self, tip: Tip) {
        let TipWord {
            chain,
            account,
            height,
            header,
        } = tip.word.body;
        let ledger = Arc::clone(&self.shared.ledger);
        let shown = &tip.head.header;
        let ours = chain == ledger.genesis().chain()
            && (chain, height, header) == (shown.chain, shown.height, shown.cid());
        let Some(key) = self
            .validators
            .key(account)
            .filter(|_| ours && account != self.ring.account)
        else {
            return;
        };
        if tip.word.verify(&key).is_err() {
            return;
        }
        self.shared
            .standing()
            .seen
            .insert(account, (height, Instant::now()));
        let Ok(view) = ledger.view() else { return };
        let Ok(newest) = view.head() else { return };
        if newest.header == tip.head.header {
            self.watch_tip(account, height);
            return;
        }
        // A validator that is ahead may show what others decided: then this node catches up.
        if height > newest.header.height {
            self.memory.shown = self.memory.shown.max(newest.header.height + 1);
        }
        let Ok(head) = tip.head.verify(&ledger.validators()) else {
            return;
        };
        self.watch_tip(account, height);
        self.memory.shown = self.memory.shown.max(height);
        match chase::compare(&view, &head) {
            Err(Setback::Conflict(conflict)) => self.halt(*conflict),
            Err(Setback::Trouble(_)) => {}
            Ok(()) => self.disputed(head.into_head()),
        }
    }

    /// Before it lost its memory, this validator can have voted for the height after the last
    /// decided one. Of more than two thirds of the validators one honest one signed for that
    /// last, and so shows at least the height before it: two above the highest shown is safe.
    /// What is shown is certified: a liar's height, which never comes, would keep it from voting.
    fn watch_tip(&mut self, account: AccountId, height: u64) {
        let ledger = &self.shared.ledger;
        let Some(watch) = &mut self.watch else { return };
        watch.tips.entry(account).or_insert(height);
        let highest = watch.tips.values().max().copied().unwrap_or_default();
        // Who they are is known as far as this ledger goes: first it comes as far as they.
        let reached = ledger.view().and_then(|view| view.head());
        let reached = reached.is_ok_and(|head| head.header.height >= highest);
        let newest = ledger.validators();
        if watch.target.is_none() && reached && newest.newest().decides(watch.tips.keys()) {
            watch.target = Some(highest + 2);
            self.show_watch();
        }
    }

    /// What people see of it.
    pub(crate) fn show_watch(&self) {
        let until = |watch: &Watch| Watching {
            lost: watch.lost.clone(),
            until: watch.target,
        };
        self.shared.standing().watching = self.watch.as_ref().map(until);
    }

    /// Whether the time to vote again has come.
    pub(super) fn end_watch(&mut self, height: u64) {
        let Some(watch) = &self.watch else { return };
        if watch.target.is_some_and(|target| height >= target) {
            match self.journal.mark(true) {
                Ok(()) => self.watch = None,
                Err(error) => self.trouble(error.to_string()),
            }
        }
    }

    /// A certified head of a block that this node executed and found wrong.
    fn disputed(&mut self, head: Head) {
        let known = self.memory.blocks.get(&BlockId::of(&head.header));
        let Some((block, fault)) = known.and_then(|known| {
            let fault = known.found.as_ref().err()?;
            Some((known.block.to_block(head), fault.to_string()))
        }) else {
            return;
        };
        self.contradicted(block, fault);
    }
}

/// An operation that left the pool: ordered after all, or refused.
pub(super) fn answer(view: &View, dropped: Dropped) {
    let receipt = view.receipt(dropped.id).ok().flatten();
    for waiter in dropped.waiters {
        let answer = match &receipt {
            Some(receipt) => Ok(receipt.clone()),
            None => Err(dropped.refusal.clone().into()),
        };
        waiter(answer);
    }
}

/// How long an operation waits for the number before its own.
const STRANDED: Duration = Duration::from_secs(5);
