//! What is nothing, and a lot of it: operations that are none, streams without an end, words in
//! others' names, other leaves under honest headers; and a head that it made up.

use base::{
    AccountId, ChainId, Digest, Operation, Signed, codec,
    key::{HpkeKey, OperationSecret},
    operation::{Register, Role, SignedOperation},
};
use malachite::app::streaming::{StreamContent, StreamMessage};
use serde_bytes::ByteBuf;

use super::{AHEAD, Liar, Lie};
use crate::bft::{
    context::{Part, Start, Tip, TipWord},
    proposed::Proposed,
};

impl Liar {
    pub(super) async fn flood(&mut self) {
        let Some(secret) = self.secret() else { return };
        // What is sent last may find the queues to the others full.
        let tips = self.far_ahead(&secret);
        self.send(tips).await;
        let torn = self.torn(&secret);
        self.send(torn).await;
        let parts = self.nothings(&secret);
        self.send(parts).await;
        self.count += 1;
        self.told(Lie::Flood, "a flood", None);
    }

    /// Honest validators' blocks of this height, without their last leaves.
    fn torn(&mut self, secret: &OperationSecret) -> Vec<StreamMessage<Part>> {
        let known = self.app.memory.blocks.values();
        let honest: Vec<_> = known
            .map(|known| known.block.clone())
            .filter(|block| block.header.proposer != self.app.ring.account)
            .collect();
        let tear = |block: Proposed| {
            let mut leaves = block.leaves().to_vec();
            leaves.pop();
            self.cut(secret, &Proposed::of(block.header, leaves), 1, Some(0))
        };
        honest.into_iter().flat_map(tear).collect()
    }

    fn nothings(&mut self, secret: &OperationSecret) -> Vec<StreamMessage<Part>> {
        let chain = self.app.shared.ledger.genesis().chain();
        let noise = (0..EACH).map(|at| ByteBuf::from(vec![at; 300]));
        let forged = (0..EACH).filter_map(|at| forged(chain, &format!("{at} of {}", self.count)));
        let operations = noise.chain(forged).collect();
        let mut parts = vec![self.garbage.single(Part::Operations(operations))];
        for at in 0..EACH {
            let piece = Part::Piece(ByteBuf::from(vec![7; 2_000]));
            let mut endless = self.garbage.single(piece);
            endless.sequence = at.into();
            parts.push(endless);
            let far = Start {
                chain,
                account: self.app.ring.account,
                block: Digest([at; 32]),
                height: self.app.next() + u64::from(at),
                round: u32::MAX - u32::from(at),
                valid_round: Some(at.into()),
                length: u64::MAX,
            };
            let start = Part::Block(Signed::new(far, secret));
            parts.push(self.garbage.single(start));
        }
        let end = self.garbage.single(Part::Piece(ByteBuf::new()));
        let end = StreamMessage::new(end.stream_id, u64::MAX, StreamContent::Fin);
        parts.push(end);
        parts
    }

    /// A head that nobody certified, shown in its own name, and in the others' without their
    /// keys.
    fn far_ahead(&mut self, secret: &OperationSecret) -> Vec<StreamMessage<Part>> {
        let ledger = &self.app.shared.ledger;
        let Ok(mut head) = ledger.view().and_then(|view| view.head()) else {
            return Vec::new();
        };
        head.header.height += AHEAD;
        let validators = ledger.validators();
        let seats = validators.newest().seats().iter();
        let accounts: Vec<_> = seats.map(|seat| seat.account).collect();
        let tip = |account| {
            let word = TipWord {
                chain: head.header.chain,
                account,
                height: head.header.height,
                header: head.header.cid(),
            };
            let word = Signed::new(word, secret);
            let head = head.clone();
            self.garbage.single(Part::Tip(Box::new(Tip { head, word })))
        };
        accounts.into_iter().map(tip).collect()
    }
}

/// Somebody who opens an account, and another's signature: it costs who is told a verification.
fn forged(chain: ChainId, name: &str) -> Option<ByteBuf> {
    let nobody = OperationSecret::new(Digest::of(name.as_bytes()).0);
    let register = Register {
        role: Role::Requester,
        operation_key: nobody.public(),
        hpke_key: HpkeKey::new(vec![1; HpkeKey::LENGTH])?,
        record_key: None,
        peer: None,
        patient: None,
    };
    let operation = Operation {
        chain,
        account: AccountId::of(&nobody.public()),
        delegation: None,
        sequence: 1,
        action: register.into(),
    };
    let mut forged: SignedOperation = Signed::new(operation, &nobody);
    forged.signature.0[5] ^= 1;
    Some(ByteBuf::from(codec::encode(&forged)))
}

/// Of each kind in one flood.
const EACH: u8 = 40;
