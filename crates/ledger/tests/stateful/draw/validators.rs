//! Validators: who wants to be one, goes, is sent away, or contradicts itself.

use base::{
    Digest,
    operation::{Apply, DoubleSign, Expel, Leave, Role, SignedWord, Word},
};

use super::*;

type Drawn = Option<(AccountId, Action)>;

impl Draw {
    fn a_node(&self, random: &mut Random, model: &Plain) -> Option<AccountId> {
        let nodes = model.accounts.values().filter(|it| it.role == Role::Node);
        let nodes: Vec<_> = nodes.map(|it| it.id).collect();
        random.maybe(&nodes)
    }

    pub fn apply(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        // Mostly one that could be seated.
        let nodes = model.accounts.values().filter(|it| {
            let free = it.institution.is_some_and(|one| !model.is_seated(one));
            it.role == Role::Node && !model.seats.contains_key(&it.id) && free
        });
        let nodes: Vec<_> = nodes.map(|it| it.id).collect();
        let sender = match random.once_in(4) {
            true => None,
            false => random.maybe(&nodes),
        };
        Some((sender.or(self.a_node(random, model))?, Apply {}.into()))
    }

    pub fn leave(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let sender = match random.once_in(8) {
            true => self.a_node(random, model)?,
            false => random.pick(&model.validators()),
        };
        Some((sender, Leave {}.into()))
    }

    pub fn expel(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let validator = match random.once_in(8) {
            true => self.anybody(random),
            false => random.pick(&model.validators()),
        };
        Some((self.node(random, model), Expel { validator }.into()))
    }

    pub fn double_sign(&mut self, random: &mut Random, model: &Plain) -> Drawn {
        let known: Vec<_> = model.punished.keys().copied().collect();
        let again = random.maybe(&known).filter(|_| random.once_in(5));
        let validator = match random.once_in(12) {
            true => self.anybody(random),
            false => self.a_node(random, model)?,
        };
        let height = match random.once_in(10) {
            true => random.pick(&[0, model.height + 1, u64::MAX]),
            false => model.height.saturating_sub(random.below(4)),
        };
        let (validator, height) = again.unwrap_or((validator, height));
        let round = random.pick(&[0, 1, 7]);
        let digests = [Digest([1; 32]), Digest([2; 32])];
        let mut words = match random.below(5) {
            0 => digests.map(|it| Word::Prevote(Some(it))),
            1 => digests.map(|it| Word::Precommit(Some(it))),
            2 => [Word::Prevote(None), Word::Prevote(Some(digests[0]))],
            3 => [Word::Precommit(None), Word::Precommit(Some(digests[0]))],
            _ => digests.map(|block| Word::Proposal {
                block,
                valid_round: random.pick(&[None, Some(0)]),
            }),
        };
        match random.below(20) {
            0 => words.reverse(),
            1 => words[1] = words[0],
            2 => words[1] = Word::Prevote(Some(digests[1])),
            _ => {}
        }
        let keys = model.accounts.get(&validator).map(|it| &it.operation_keys);
        let valid = keys.into_iter().flatten().filter(|it| it.covers(height));
        let mut keys: Vec<_> = valid.map(|it| it.key).collect();
        if random.once_in(12) || keys.is_empty() {
            keys = vec![secret("mallory").public()];
        }
        let key = random.pick(&keys);
        let words = words.map(|word| {
            let message = ledger::word_preimage(self.chain, height, Some(round), &word);
            SignedWord {
                word,
                signature: self.sign(key, &message),
            }
        });
        let proof = DoubleSign {
            validator,
            height,
            round,
            words,
        };
        Some((self.anybody(random), proof.into()))
    }
}
