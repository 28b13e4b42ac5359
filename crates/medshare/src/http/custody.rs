//! The routes for what the node keeps for parties: blocks and pins, letters, one-time
//! keys, key bags. Every write, and every read of what is one party's own, says who asks.

use axum::extract::{Path, Request, State};
use base::{AccountId, Cid, Digest, codec, operation::Role};
use ledger::Page;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;
use store::Source as _;

use super::{
    admission::{Query, Who, admitted, admitted_as, admitted_object, blocking, parse},
    answer::{Answer, Handled},
    interface::Shared,
    message::{BagHead, Count, ErrorCode, Letters, Prekeys},
};

// -- store

pub(super) async fn read_block(State(interface): Shared, Path(cid): Path<String>) -> Handled {
    let cid: Cid = parse(&cid)?;
    blocking(move || Ok(Answer::Block((&*interface).block(&cid)?))).await
}

pub(super) async fn put_block(
    State(interface): Shared,
    Path(cid): Path<String>,
    request: Request,
) -> Handled {
    let cid: Cid = parse(&cid)?;
    let (asker, body) = admitted_as(&interface, request, Who::Newcomer).await?;
    blocking(move || {
        let newcomer = (interface.views)()?.account(asker.account)?.is_none();
        if newcomer && body.len() > NEWCOMER_BLOCK {
            return Err(Answer::not_found());
        }
        // Pinned once the account is there, or collected.
        interface.store.put(&cid, &body)?;
        Ok(Answer::done())
    })
    .await
}

pub(super) async fn pin(
    State(interface): Shared,
    Path(root): Path<String>,
    request: Request,
) -> Handled {
    let root: Cid = parse(&root)?;
    let (asker, _) = admitted(&interface, request).await?;
    blocking(move || {
        // In this order a crash between the two keeps a block too long, never too short.
        interface
            .post
            .add_pin(asker.account, &root.to_bytes(), || {
                interface.store.pin(&root).map(drop)
            })??;
        Ok(Answer::done())
    })
    .await
}

pub(super) async fn unpin(
    State(interface): Shared,
    Path(root): Path<String>,
    request: Request,
) -> Handled {
    let root: Cid = parse(&root)?;
    let (asker, _) = admitted(&interface, request).await?;
    blocking(move || {
        if interface.post.remove_pin(asker.account, &root.to_bytes())? {
            interface.store.unpin(&root)?;
        }
        Ok(Answer::done())
    })
    .await
}

// -- mailbox, one-time keys, bags

/// `?after=`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    #[serde(default)]
    after: u64,
}

pub(super) async fn inbox(
    State(interface): Shared,
    Query(query): Query<After>,
    request: Request,
) -> Handled {
    let (asker, _) = admitted(&interface, request).await?;
    blocking(move || {
        let letters = interface
            .post
            .inbox(asker.account, query.after, INBOX_BYTES)?
            .into_iter()
            .map(|(number, letter)| (number, ByteBuf::from(letter)))
            .collect();
        Ok(Answer::object(&Letters { letters }))
    })
    .await
}

pub(super) async fn newest_letter(State(interface): Shared, request: Request) -> Handled {
    let (asker, _) = admitted(&interface, request).await?;
    blocking(move || {
        let count = interface.post.newest(asker.account)?;
        Ok(Answer::object(&Count { count }))
    })
    .await
}

pub(super) async fn send(
    State(interface): Shared,
    Path(to): Path<String>,
    request: Request,
) -> Handled {
    let to: AccountId = parse(&to)?;
    let (asker, letter) = admitted(&interface, request).await?;
    blocking(move || {
        if (interface.views)()?.account(to)?.is_none() {
            return Err(Answer::not_found());
        }
        interface.post.send(asker.account, to, &letter)?;
        Ok(Answer::done())
    })
    .await
}

pub(super) async fn delete_letter(
    State(interface): Shared,
    Path(name): Path<String>,
    request: Request,
) -> Handled {
    let name: Digest = parse(&name)?;
    let (asker, _) = admitted(&interface, request).await?;
    blocking(move || {
        // Gone or never there is the same to its owner.
        interface.post.delete(asker.account, name)?;
        Ok(Answer::done())
    })
    .await
}

pub(super) async fn put_prekeys(State(interface): Shared, request: Request) -> Handled {
    let (asker, body) = admitted_object(&interface, request).await?;
    let keys: Prekeys = decode(&body)?;
    blocking(move || {
        let agent = asker.account;
        let account = (interface.views)()?
            .account(agent)?
            .ok_or_else(Answer::not_found)?;
        if account.role != Role::Agent {
            return Err(Answer::not_found());
        }
        if !interface.left_prekeys.admit(agent, keys.prekeys.len()) {
            return Err(too_often("leaves"));
        }
        let keys: Vec<Vec<u8>> = keys.prekeys.into_iter().map(ByteBuf::into_vec).collect();
        if keys.iter().any(|key| key.len() > MAX_PREKEY) {
            return Err(Answer::error(
                ErrorCode::TooLarge,
                "a one-time key has at most 4 KiB",
            ));
        }
        let count = interface.post.put_prekeys(agent, &keys)?;
        Ok(Answer::object(&Count { count }))
    })
    .await
}

pub(super) async fn prekeys_left(State(interface): Shared, Path(agent): Path<String>) -> Handled {
    let agent = parse(&agent)?;
    blocking(move || {
        let count = interface.post.count_prekeys(agent)?;
        Ok(Answer::object(&Count { count }))
    })
    .await
}

pub(super) async fn take_prekey(
    State(interface): Shared,
    Path(agent): Path<String>,
    request: Request,
) -> Handled {
    let agent: AccountId = parse(&agent)?;
    let (asker, _) = admitted(&interface, request).await?;
    blocking(move || {
        // Only who can grant needs one: a patient, or who acts for one.
        let account = (interface.views)()?
            .account(asker.account)?
            .ok_or_else(Answer::not_found)?;
        let delegated = account.role != Role::Patient
            && (interface.views)()?
                .delegations_of(account.id, Page::default())?
                .items
                .iter()
                .any(|delegation| delegation.delegate == account.id && delegation.ended.is_none());
        if account.role != Role::Patient && !delegated {
            return Err(Answer::not_found());
        }
        if !interface.taken_prekeys.admit(account.id, 1) {
            return Err(too_often("takes"));
        }
        let key = interface
            .post
            .take_prekey(agent)?
            .ok_or_else(Answer::not_found)?;
        Ok(Answer::Object(key))
    })
    .await
}

pub(super) async fn put_bag(
    State(interface): Shared,
    Path(locator): Path<String>,
    request: Request,
) -> Handled {
    let locator: Digest = parse(&locator)?;
    let (asker, body) = admitted_object(&interface, request).await?;
    let bag: BagHead = decode(&body)?;
    blocking(move || {
        interface.post.put_bag(locator, asker.account, &bag.head)?;
        Ok(Answer::done())
    })
    .await
}

pub(super) async fn read_bag(State(interface): Shared, Path(locator): Path<String>) -> Handled {
    let locator: Digest = parse(&locator)?;
    blocking(move || {
        let head = interface
            .post
            .read_bag(locator)?
            .ok_or_else(Answer::not_found)?;
        Ok(Answer::object(&BagHead { head: head.into() }))
    })
    .await
}

fn decode<T: Serialize + DeserializeOwned>(body: &[u8]) -> Result<T, Answer> {
    codec::decode(body).map_err(|error| Answer::undecodable(&error))
}

fn too_often(does: &str) -> Answer {
    Answer::error(
        ErrorCode::TooOften,
        format!("this account {does} too many one-time keys; try again in a minute"),
    )
}

/// Most bytes of letters in one answer, but at least one letter: two nodes must be able to
/// hand it on in one message.
const INBOX_BYTES: usize = 2 << 20;
const MAX_PREKEY: usize = 4096;
/// Largest block of an account that is not registered yet: a public key and its frame.
const NEWCOMER_BLOCK: usize = 8192;
