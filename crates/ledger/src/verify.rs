//! Checking incoming operations: bytes in, [`Checked`] or a [`Refusal`] out.
//!
//! Signatures are verified in batches under ZIP 215, whose single and batch rules agree
//! on every input. The batch's coefficients come from a hash of the whole batch, so the
//! result depends on nothing but the input and a sender cannot steer them.

use base::{
    AccountId, Action, ChainId, Operation, OperationId, SignedOperation, Statement, codec, domain,
    key::{BadSignature, OperationKey, Signature},
    operation::{NewKey, Query},
};
use ed25519_zebra::batch;
use rand_core::{TryCryptoRng, TryRng};
use std::{collections::HashMap, convert::Infallible};

use crate::{
    MAX_OPERATION,
    leaf::Refusal,
    signatures::{Mark, Part, Signatures},
    state::{
        Asked, Fault, Overlay, Read,
        entry::{Account, Grant},
        opening_key,
    },
};

/// An operation in canonical bytes whose signature verifies under a key that the sender's
/// account had when it was checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    signed: Box<SignedOperation>, // large, and handed on several times
    bytes: Vec<u8>,
    id: OperationId,
    key: OperationKey,
    asked: Asked,
}

impl Checked {
    /// What is done.
    pub fn operation(&self) -> &Operation {
        &self.signed.body
    }

    /// Its id.
    pub fn id(&self) -> OperationId {
        self.id
    }

    /// The canonical bytes of the signed operation.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// With its signature.
    pub fn signed(&self) -> &SignedOperation {
        &self.signed
    }

    pub(crate) fn asked(&self) -> Asked {
        self.asked
    }

    pub(crate) fn is_under(&self, key: &OperationKey) -> bool {
        self.key == *key
    }

    pub(crate) fn verify_under(&self, key: &OperationKey) -> Result<(), BadSignature> {
        key.verify(&preimage(&self.bytes), &self.signed.signature)
    }
}

/// Checks one operation against a state (a [`crate::View`], for example).
///
/// # Errors
/// The outer [`Fault`] when the state cannot be read; the inner [`Refusal`] says what is
/// wrong with the operation.
pub fn check(
    bytes: Vec<u8>,
    chain: ChainId,
    state: &dyn Read,
) -> Result<Result<Checked, Refusal>, Fault> {
    let mut results = check_batch(vec![bytes], chain, state)?;
    Ok(results
        .pop()
        .unwrap_or_else(|| Err(Refusal::Malformed("nothing to check".into()))))
}

/// Checks many operations at once, results in their order. An operation may rest on an
/// earlier one of the batch that opens its account or rotates its key.
///
/// # Errors
/// [`Fault`] when the state cannot be read.
pub fn check_batch(
    batch: Vec<Vec<u8>>,
    chain: ChainId,
    state: &dyn Read,
) -> Result<Vec<Result<Checked, Refusal>>, Fault> {
    let mut signatures = Signatures::new(2 * batch.len());
    signatures.check_batch(batch, chain, state)
}

impl Signatures {
    /// As [`check_batch`]; what is remembered is not verified again.
    ///
    /// # Errors
    /// [`Fault`] when the state cannot be read.
    pub fn check_batch(
        &mut self,
        batch: Vec<Vec<u8>>,
        chain: ChainId,
        state: &dyn Read,
    ) -> Result<Vec<Result<Checked, Refusal>>, Fault> {
        let mut keys = Keys::new(state);
        let mut results = Vec::with_capacity(batch.len());
        let mut claims = Vec::with_capacity(2 * batch.len());
        for (at, bytes) in batch.into_iter().enumerate() {
            let mut result = match decode(bytes, chain) {
                Ok(decoded) => keys.choose(decoded, self)?,
                Err(refusal) => Err(refusal),
            };
            if let Ok(checked) = &mut result {
                let mark = Mark::of(Part::Sender, &checked.key, checked.id);
                if !self.knows(&mark) {
                    self.count();
                    claims.push(Claim::sender(at, mark, checked));
                }
                if let Some(ask) = keys.ask(at, chain, checked)? {
                    match self.knows(&ask.mark) {
                        true => checked.asked = Asked(Some(ask.key)),
                        false => claims.push(ask),
                    }
                }
            }
            results.push(result);
        }
        for chunk in claims.chunks(BATCH) {
            settle(chunk, self, &mut results);
        }
        Ok(results)
    }
}

/// Signatures verified together: more gain little and make a forged one costlier to find
/// (about twice a batch's time).
const BATCH: usize = 1_024;

/// Bytes to an operation in canonical form, for this chain.
fn decode(bytes: Vec<u8>, chain: ChainId) -> Result<Decoded, Refusal> {
    if bytes.len() > MAX_OPERATION {
        return Err(Refusal::TooLarge {
            found: bytes.len() as u64,
            limit: MAX_OPERATION as u64,
        });
    }
    let signed: Box<SignedOperation> = codec::decode(&bytes).map_err(|error| match error {
        codec::DecodeError::Version { version, .. } => Refusal::UnknownVersion {
            found: version.found,
            known: version.known,
        },
        other => Refusal::Malformed(other.to_string()),
    })?;
    if signed.body.chain != chain {
        return Err(Refusal::WrongChain);
    }
    let id = OperationId::of(&bytes);
    Ok(Decoded { signed, bytes, id })
}

struct Decoded {
    signed: Box<SignedOperation>,
    bytes: Vec<u8>,
    id: OperationId,
}

/// The signed bytes: canonical form puts the body at a fixed place, between the map head,
/// version and key "body" and the signature's key and value.
fn preimage(signed: &[u8]) -> Vec<u8> {
    const HEAD: usize = 3 + 1 + 5; // map(3) with text(1) "v", a small number, text(4) "body"
    const TAIL: usize = 10 + 2 + 64; // text(9) "signature", bytes(64)
    let end = signed.len().saturating_sub(TAIL);
    let body = signed.get(HEAD..end).unwrap_or_default();
    [&domain::preamble(<Operation as Statement>::DOMAIN), body].concat()
}

/// Keys of senders and queriers: from the state, and from earlier operations of the batch.
struct Keys<'a> {
    state: Overlay<'a>,
    /// Per account, oldest first: the stored or opening key, then rotations in the batch.
    senders: HashMap<AccountId, Vec<OperationKey>>,
    queriers: HashMap<OperationId, Option<OperationKey>>,
}

impl<'a> Keys<'a> {
    fn new(state: &'a dyn Read) -> Self {
        Self {
            state: Overlay::new(state),
            senders: HashMap::new(),
            queriers: HashMap::new(),
        }
    }

    /// Fixes the key that an operation is to be verified under.
    fn choose(
        &mut self,
        decoded: Decoded,
        signatures: &mut Signatures,
    ) -> Result<Result<Checked, Refusal>, Fault> {
        let operation = &decoded.signed.body;
        if !self.senders.contains_key(&operation.account) {
            let account = self.state.find::<Account>(&operation.account)?;
            let key = account
                .and_then(|account| account.operation_key())
                .or_else(|| opening_key(operation.account, &operation.action));
            let Some(key) = key else {
                return Ok(Err(Refusal::UnknownAccount));
            };
            self.senders.insert(operation.account, vec![key]);
        }
        let known = self.senders.entry(operation.account).or_default();
        let next = match &operation.action {
            Action::RotateKey(rotate) => match &rotate.new {
                NewKey::Operation(new, _) => Some(*new),
                _ => None,
            },
            _ => None,
        };
        // After a rotation in the batch nobody knows yet which key will count; and what follows
        // under the new key rests on the rotation's signature: these are verified at once.
        let key = match known.as_slice() {
            [only] if next.is_none() => Some(*only),
            several => fitting(several, &decoded, signatures),
        };
        if key.is_some() && known.len() < 8 {
            known.extend(next);
        }
        Ok(key.map_or(Err(Refusal::BadSignature), |key| {
            Ok(Checked {
                signed: decoded.signed,
                bytes: decoded.bytes,
                id: decoded.id,
                key,
                asked: Asked::default(),
            })
        }))
    }

    /// The ask inside a query, to be verified along with its sender's signature.
    fn ask(
        &mut self,
        at: usize,
        chain: ChainId,
        checked: &Checked,
    ) -> Result<Option<Claim>, Fault> {
        let Action::Query(query) = &checked.operation().action else {
            return Ok(None);
        };
        let key = self.querier(query)?;
        Ok(key.map(|key| {
            let ask = query.ask(chain, checked.operation().account);
            let mark = Mark::of(Part::Ask, &key, checked.id);
            let claimed = (Part::Ask, key, ask.signature);
            Claim::new(at, mark, claimed, &ask.body.preimage())
        }))
    }

    fn querier(&mut self, query: &Query) -> Result<Option<OperationKey>, Fault> {
        if let Some(key) = self.queriers.get(&query.grant) {
            return Ok(*key);
        }
        let key = match self.state.find::<Grant>(&query.grant)? {
            Some(grant) => self.state.find::<Account>(&grant.requester)?,
            None => None,
        }
        .and_then(|account| account.operation_key());
        self.queriers.insert(query.grant, key);
        Ok(key)
    }
}

/// The newest of these keys that an operation's signature is under.
fn fitting(
    several: &[OperationKey],
    decoded: &Decoded,
    signatures: &mut Signatures,
) -> Option<OperationKey> {
    let mark = |key: &OperationKey| Mark::of(Part::Sender, key, decoded.id);
    let known = several
        .iter()
        .rev()
        .find(|key| signatures.knows(&mark(key)));
    if let Some(key) = known {
        return Some(*key);
    }
    signatures.count();
    let message = preimage(&decoded.bytes);
    let signature = &decoded.signed.signature;
    let fits = |key: &&OperationKey| key.verify(&message, signature).is_ok();
    let key = several.iter().rev().find(fits)?;
    signatures.keep(mark(key));
    Some(*key)
}

/// One signature to verify.
#[derive(Clone)]
struct Claim {
    at: usize,
    part: Part,
    key: OperationKey,
    mark: Mark,
    item: batch::Item,
}

impl Claim {
    fn sender(at: usize, mark: Mark, checked: &Checked) -> Self {
        let message = preimage(&checked.bytes);
        let claimed = (Part::Sender, checked.key, checked.signed.signature);
        Self::new(at, mark, claimed, &message)
    }

    fn new(
        at: usize,
        mark: Mark,
        (part, key, signature): (Part, OperationKey, Signature),
        message: &[u8],
    ) -> Self {
        Self {
            at,
            part,
            key,
            mark,
            item: batch::Item::from((key.0.into(), signature.0.into(), message)),
        }
    }
}

/// Verifies claims together; when that fails, halves, until the bad ones are found.
fn settle(claims: &[Claim], signatures: &mut Signatures, results: &mut [Result<Checked, Refusal>]) {
    if holds(claims) {
        for claim in claims {
            signatures.keep(claim.mark);
            if claim.part == Part::Ask
                && let Some(Ok(checked)) = results.get_mut(claim.at)
            {
                checked.asked = Asked(Some(claim.key));
            }
        }
        return;
    }
    match claims {
        [] => {}
        [bad] => {
            // A bad ask is judged by the state machine, which logs it.
            if bad.part == Part::Sender
                && let Some(result) = results.get_mut(bad.at)
            {
                *result = Err(Refusal::BadSignature);
            }
        }
        several => {
            let (left, right) = several.split_at(several.len() / 2);
            settle(left, signatures, results);
            settle(right, signatures, results);
        }
    }
}

fn holds(claims: &[Claim]) -> bool {
    if let [one] = claims {
        return one.item.clone().verify_single().is_ok();
    }
    let mut verifier = batch::Verifier::new();
    for claim in claims {
        verifier.queue(claim.item.clone());
    }
    verifier.verify(Coefficients::of(claims)).is_ok()
}

/// Coefficients of a batch: a BLAKE3 stream over everything in it. Who knew them beforehand
/// could make forgeries that cancel each other.
struct Coefficients(blake3::OutputReader);

impl Coefficients {
    fn of(claims: &[Claim]) -> Self {
        let mut seed = blake3::Hasher::new();
        for claim in claims {
            seed.update(&claim.mark.0);
        }
        Self(seed.finalize_xof())
    }
}

impl TryRng for Coefficients {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Coefficients {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use base::key::OperationSecret;
    use std::collections::HashSet;

    #[test]
    fn coefficients_follow_from_all_that_is_claimed() {
        let secret = |byte| OperationSecret::new([byte; 32]);
        let claim = |part, by: u8, id: &[u8]| {
            let (id, key) = (OperationId::of(id), secret(by).public());
            let signature = secret(by).sign(b"message");
            let mark = Mark::of(part, &key, id);
            Claim::new(0, mark, (part, key, signature), b"message")
        };
        let one = claim(Part::Sender, 1, b"one");
        let batches = [
            vec![one.clone()],
            vec![claim(Part::Ask, 1, b"one")],
            vec![claim(Part::Sender, 2, b"one")],
            vec![claim(Part::Sender, 1, b"two")],
            vec![one.clone(), one.clone()],
            vec![one.clone(), claim(Part::Ask, 1, b"one")],
            vec![claim(Part::Ask, 1, b"one"), one],
        ];
        let drawn = batches.iter().map(|claims| {
            let mut coefficients = Coefficients::of(claims);
            let mut rest = [0; 16];
            let short = coefficients.try_next_u32().unwrap();
            let long = coefficients.try_next_u64().unwrap();
            coefficients.try_fill_bytes(&mut rest).unwrap();
            (short, long, rest)
        });
        let drawn: Vec<_> = drawn.collect();
        let all = batches.len();
        let different = [
            drawn
                .iter()
                .map(|it| it.0.into())
                .collect::<HashSet<u64>>()
                .len(),
            drawn.iter().map(|it| it.1).collect::<HashSet<u64>>().len(),
            drawn.iter().map(|it| it.2).collect::<HashSet<_>>().len(),
        ];
        assert_eq!(different, [all; 3]);
    }
}
