//! A ledger's validators, as one node sees them: how many may fail, who does not sign, what
//! stands in the way. Protocol page, "Consensus as the situation demands".

use ::ledger::{Seat, ValidatorSet};

use super::finding::{Finding, few};
use crate::http::message::{NodeStanding, SeenValidator, ValidatorStanding};

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Network<'a> {
    /// Who decides the next block.
    pub validators: &'a ValidatorSet,
    /// How the node stands.
    pub standing: &'a NodeStanding,
    /// Other validators that the home's configuration names, where there is one.
    pub configured: Option<usize>,
}

impl Network<'_> {
    /// One finding a check.
    pub fn examine(&self) -> Vec<Finding> {
        let mut found = vec![tolerated(self.validators), shares(self.validators)];
        found.extend(self.configured.map(|others| named(others, self.validators)));
        match &self.standing.validator {
            None => found.push(Finding::unknown(
                "signatures",
                "this node is none of several validators: it does not hear what they sign",
                "ask a validator's node",
            )),
            Some(validator) => {
                found.push(part(validator));
                found.push(heard(validator, self.validators));
                found.push(proofs(validator));
            }
        }
        found
    }
}

/// How many validators, whichever they are, may be gone before nothing is ordered.
pub fn faults_tolerated(validators: &ValidatorSet) -> usize {
    let mut weights: Vec<u64> = validators.seats().iter().map(weight).collect();
    weights.sort_unstable_by(|a, b| b.cmp(a));
    let mut left = validators.total();
    let gone = weights.iter().take_while(|weight| {
        left -= **weight;
        validators.is_enough(left)
    });
    gone.count()
}

fn weight(seat: &Seat) -> u64 {
    u64::from(seat.weight)
}

fn tolerated(validators: &ValidatorSet) -> Finding {
    let all = validators.len();
    match faults_tolerated(validators) {
        0 => Finding::problem(
            "faults",
            format!("{all} validator(s): no fault is tolerated; one that is gone stops the ledger"),
            "four validators tolerate one, seven two: `validator apply` at another hospital's node",
        ),
        some => Finding::ok(
            "faults",
            format!("of {all} validators any {some} may be gone, cut off or lying"),
        ),
    }
}

fn shares(validators: &ValidatorSet) -> Finding {
    let most = validators.seats().iter().map(weight).max().unwrap_or(0);
    let share = most * 100 / validators.total().max(1);
    match validators.len() < 4 || 3 * most < validators.total() {
        true => Finding::ok(
            "weights",
            format!("the heaviest has {share} % of the weight"),
        ),
        false => Finding::problem(
            "weights",
            format!("one has {share} % of the weight and can stop the ledger alone"),
            "the consortium's policy must be looked at",
        ),
    }
}

fn named(others: usize, validators: &ValidatorSet) -> Finding {
    let wanted = validators.len().saturating_sub(1);
    match others >= wanted {
        true => Finding::ok("addresses", format!("{others} other validators are named")),
        false => Finding::problem(
            "addresses",
            format!("consensus.peers names {others} others, and there are {wanted}"),
            "add theirs to config.toml (`node id` prints a peer id) and start the node again",
        ),
    }
}

fn part(validator: &ValidatorStanding) -> Finding {
    let check = "this node";
    if let Some(halted) = &validator.halted {
        let advice = "stop; compare node/conflict.cbor with the other hospitals";
        return Finding::problem(check, format!("halted: {halted}"), advice);
    }
    if let Some(trouble) = &validator.trouble {
        return Finding::problem(check, trouble.clone(), "docs/network.md");
    }
    if let Some(watching) = &validator.watching {
        return Finding::problem(
            check,
            format!("it does not vote: {watching}"),
            "docs/network.md",
        );
    }
    let says = format!(
        "it votes; height {} is in hand, {} operations wait",
        validator.height, validator.waiting
    );
    Finding::ok(check, says)
}

fn heard(validator: &ValidatorStanding, validators: &ValidatorSet) -> Finding {
    let seen = validator.validators.iter();
    let gone: Vec<_> = seen.filter(|seen| !seen.is_heard()).collect();
    let heard = validators.seats().iter().map(|seat| &seat.account);
    let heard = heard.filter(|account| !gone.iter().any(|seen| seen.account == **account));
    let enough = validators.decides(heard);
    let names = few(&gone, |seen| seen.account.to_string());
    if gone.is_empty() {
        return Finding::ok("signatures", "every validator signed something lately");
    }
    let says = match enough {
        true => format!(
            "not heard for {} s: {names}; the ledger goes on",
            SeenValidator::QUIET / 1_000
        ),
        false => format!(
            "not heard for {} s: {names}; the others are too few, nothing is ordered",
            SeenValidator::QUIET / 1_000
        ),
    };
    Finding::problem("signatures", says, "start them, or look at the way to them")
}

fn proofs(validator: &ValidatorStanding) -> Finding {
    match validator.accusations {
        0 => Finding::ok(
            "proofs",
            "no validator contradicted itself, as far as this node heard",
        ),
        count => Finding::problem(
            "proofs",
            format!("{count} proofs that a validator signed two things"),
            "`ledger tail` shows whom the ledger punished",
        ),
    }
}

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::doctor::State;
    use base::{AccountId, key::OperationSecret};

    fn set(weights: &[u32]) -> ValidatorSet {
        let mut seats: Vec<Seat> = (0_u8..)
            .zip(weights)
            .map(|(at, weight)| {
                let key = OperationSecret::new([at + 1; 32]).public();
                let account = AccountId::of(&key);
                Seat {
                    account,
                    key,
                    weight: *weight,
                }
            })
            .collect();
        seats.sort_by_key(|seat| seat.account);
        seats.try_into().unwrap()
    }

    fn standing(set: &ValidatorSet, gone: usize) -> NodeStanding {
        let seen = set
            .seats()
            .iter()
            .enumerate()
            .map(|(at, seat)| SeenValidator {
                account: seat.account,
                height: Some(7),
                age: (at >= gone).then_some(10),
            });
        NodeStanding {
            validator: Some(ValidatorStanding {
                height: 8,
                round: None,
                proposer: None,
                validators: seen.collect(),
                quorum: true,
                waiting: 0,
                accusations: 0,
                watching: None,
                trouble: None,
                halted: None,
                counters: Default::default(),
            }),
            ..NodeStanding::default()
        }
    }

    #[test]
    fn faults_follow_the_weights() {
        assert_eq!(faults_tolerated(&set(&[100])), 0);
        assert_eq!(faults_tolerated(&set(&[100; 3])), 0);
        assert_eq!(faults_tolerated(&set(&[100; 4])), 1);
        assert_eq!(faults_tolerated(&set(&[100; 7])), 2);
        assert_eq!(faults_tolerated(&set(&[200, 100, 100, 1])), 0);
    }

    #[test]
    fn who_is_gone_is_named_and_what_follows() {
        let four = set(&[100; 4]);
        let words = |gone, configured| {
            let standing = standing(&four, gone);
            let network = Network {
                validators: &four,
                standing: &standing,
                configured,
            };
            let found = network.examine();
            let problems = found.into_iter().filter(|one| one.state == State::Problem);
            problems.map(|one| one.says).collect::<Vec<_>>()
        };
        assert!(words(0, Some(3)).is_empty());
        let [one] = &words(1, None)[..] else { panic!() };
        assert!(one.contains("goes on"), "{one}");
        let [two] = &words(2, None)[..] else { panic!() };
        assert!(two.contains("nothing is ordered"), "{two}");
        assert_eq!(words(0, Some(2)).len(), 1);
    }
}
