//! Objects of the vocabulary: one spelling each.

use super::{Decoder, Target, canonical, text};
use base::{
    AccountId, Action, Class, Digest, Operation, OperationId, Scope, Signed, SignedOperation, cid,
    codec,
    genesis::{Genesis, Policy},
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
        Decoder {
            name: "policy",
            run: canonical::<Policy>,
        },
        Decoder {
            name: "id",
            run: |bytes| text(bytes, spelt_once::<AccountId>),
        },
        Decoder {
            name: "operation-id",
            run: |bytes| text(bytes, |text| text.parse::<OperationId>().is_ok()),
        },
        Decoder {
            name: "class",
            run: |bytes| text(bytes, spelt_once::<Class>),
        },
        Decoder {
            name: "cid",
            run: |bytes| {
                cid::of_bytes(bytes).is_some_and(|cid| {
                    assert_eq!(cid.to_bytes(), bytes, "a second spelling");
                    let _ = cid::sha256_digest(&cid);
                    true
                })
            },
        },
    ],
    seeds,
};

/// What is read is shown as it was written, but for case and the white space around it.
fn spelt_once<T: std::str::FromStr + std::fmt::Display>(text: &str) -> bool {
    text.parse::<T>().is_ok_and(|value| {
        assert_eq!(value.to_string(), text.trim().to_lowercase());
        true
    })
}

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
        codec::encode(&story.genesis.policy),
        AccountId([0xa5; 32]).to_string().into_bytes(),
        cid::of_object(b"operation").to_string().into_bytes(),
        Class::Laboratory.to_string().into_bytes(),
        cid::of_object(b"object").to_bytes(),
        cid::of_block(cid::RAW, b"block").to_bytes(),
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
