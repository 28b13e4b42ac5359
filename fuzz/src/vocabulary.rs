//! Objects of the vocabulary: one spelling each.

use super::{Decoder, Target, canonical};
use base::{
    Action, Class, Digest, Operation, Scope, Signed, SignedOperation, codec,
    genesis::Genesis,
    operation::{Ask, GuardianSet, RecoveryClaim, Terms},
    scope::{Cover, ScopeSecret},
};

/// What may be said, and what it is made of.
pub const VOCABULARY: Target = Target {
    name: "vocabulary",
    decoders: &[
        Decoder {
            name: "signed-operation",
            run: canonical::<SignedOperation>,
        },
        Decoder {
            name: "operation",
            run: canonical::<Operation>,
        },
        Decoder {
            name: "genesis",
            run: canonical::<Genesis>,
        },
        Decoder {
            name: "terms",
            run: canonical::<Terms>,
        },
        Decoder {
            name: "scope",
            run: canonical::<Scope>,
        },
        Decoder {
            name: "guardian-set",
            run: canonical::<GuardianSet>,
        },
        Decoder {
            name: "recovery-claim",
            run: canonical::<RecoveryClaim>,
        },
        Decoder {
            name: "ask",
            run: canonical::<Signed<Ask>>,
        },
    ],
    seeds,
};

fn seeds() -> Vec<Vec<u8>> {
    let story = super::ledger::story();
    let cover = Cover {
        class: Class::Laboratory,
        epoch: Some(story.genesis.created.epoch()),
        record: None,
        counter: 0,
    };
    let kappa = ScopeSecret::new([5; 32]);
    let mut seeds = vec![
        codec::encode(&story.genesis),
        codec::encode(&story.ask),
        Scope::of(story.genesis.chain(), Digest([4; 32]), cover, &kappa).bytes(),
    ];
    for leaf in &story.leaves {
        let operation = &leaf.operation;
        seeds.push(operation.to_bytes().0);
        seeds.push(codec::encode(&operation.body));
        if let Action::Authorize(authorize) = &operation.body.action {
            seeds.push(codec::encode(&authorize.terms));
        }
        if let Action::Recover(recover) = &operation.body.action {
            seeds.push(codec::encode(&recover.set));
            seeds.push(codec::encode(&recover.claim(operation.body.chain, 1)));
        }
    }
    seeds
}
