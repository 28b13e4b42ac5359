//! Who decides, now and earlier.

use base::{codec, genesis::Genesis};

use super::{View, decode, fault};
use crate::{
    state::{Fault, entry::Council},
    validators::{Transition, ValidatorSet},
};

impl View {
    /// Who decides the height after the newest block.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn validators(&self) -> Result<ValidatorSet, Fault> {
        Ok(self.council()?.1)
    }

    /// The same, with the first height that they decide.
    pub(in crate::storage) fn council(&self) -> Result<(u64, ValidatorSet), Fault> {
        if let Some(Council { since, seats }) = self.entry::<Council>(&())? {
            let set = ValidatorSet::try_from(seats);
            return Ok((since, set.map_err(|what| Fault::Damaged(what.into()))?));
        }
        let bytes = self.meta("genesis")?;
        let bytes = bytes.ok_or_else(|| Fault::Damaged("no genesis object".into()))?;
        let genesis: Genesis = codec::decode_lenient(&bytes)
            .map_err(|error| Fault::Damaged(format!("genesis object: {error}")))?;
        Ok((1, ValidatorSet::of(&genesis)))
    }

    /// Changes of validators in order, from the one whose head is of height `from` on, `limit` of
    /// them at most: ask again from the last one's height plus one. A party that trusts
    /// [`crate::Validators`] asks from their `since` on, and follows each.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn transitions(&self, from: u64, limit: usize) -> Result<Vec<Transition>, Fault> {
        let hand_overs = self.hand_overs(from, limit)?;
        let transition = |(height, next)| {
            let head = self.head_at(height)?;
            let head = head.ok_or_else(|| Fault::Damaged(format!("no block {height}")))?;
            Ok(Transition { head, next })
        };
        hand_overs.into_iter().map(transition).collect()
    }

    /// Heights of last blocks, from one on, with the sets after them; `limit` at most.
    pub(in crate::storage) fn hand_overs(
        &self,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, ValidatorSet)>, Fault> {
        let Some(table) = &self.snapshot.hand_overs else {
            return Ok(Vec::new());
        };
        let range = table.range(from..).map_err(fault)?;
        range
            .take(limit)
            .map(|item| {
                let (height, bytes) = item.map_err(fault)?;
                Ok((height.value(), decode(bytes.value())?))
            })
            .collect()
    }

    /// The set that the tables keep as the next one after a block.
    pub(in crate::storage) fn hand_over(&self, height: u64) -> Result<Option<ValidatorSet>, Fault> {
        let Some(table) = &self.snapshot.hand_overs else {
            return Ok(None);
        };
        let bytes = table.get(height).map_err(fault)?;
        bytes.map(|bytes| decode(bytes.value())).transpose()
    }
}
