//! HTTP Message Signatures (RFC 9421) by an account's operation key, Ed25519: another way
//! than a [`ticket`](super::ticket) to say who asks. What a request covers is read here,
//! once, into a [`Claim`]; whose key counts, and whether it was used before, is judged by
//! [`Gate`](super::ticket::Gate).
//!
//! A signature names this interface and the ledger (`tag`), the account (`keyid`), when it
//! was made (`created`) and a `nonce`; it covers the method, the whole target and, through
//! `content-digest` (RFC 9530), the body.

use axum::http::{HeaderMap, header, request::Parts};
use base::{
    AccountId, ChainId, Digest, Millis, Nonce,
    key::{OperationKey, OperationSecret, Signature},
};
use sfv::{BareItem, Dictionary, FieldType as _, InnerList, Key, ListEntry, Parser};
use std::fmt::Write as _;

/// What a signature says, before its key is known.
#[derive(Debug)]
pub struct Claim {
    /// Who asks.
    pub account: AccountId,
    /// The key that names an account which is about to register.
    pub key: Option<OperationKey>,
    /// When it was made; whole seconds.
    pub created: Millis,
    /// When it ends at the latest, if it says so.
    pub expires: Option<Millis>,
    /// Makes it serve once.
    pub nonce: Nonce,
    /// The SHA2-256 of the body that it covers.
    pub content: Option<Digest>,
    base: Vec<u8>,
    signature: Signature,
}

impl Claim {
    /// Whether `key` made it.
    pub fn is_by(&self, key: &OperationKey) -> bool {
        key.verify(&self.base, &self.signature).is_ok()
    }
}

/// Whether a request carries a signature at all.
pub fn is_signed(headers: &HeaderMap) -> bool {
    headers.contains_key(INPUT)
}

/// Reads the one signature of a request that is meant for the ledger `chain`. `None` for
/// everything else: what is not well formed, covers too little or names what is not there.
pub fn read(parts: &Parts, chain: ChainId) -> Option<Claim> {
    let inputs = dictionary(&parts.headers, INPUT)?;
    let tag = tag(chain);
    let mut ours = inputs.iter().filter_map(|(label, entry)| match entry {
        ListEntry::InnerList(list) if parameter(list, "tag")?.as_string()?.as_str() == tag => {
            Some((label, list))
        }
        _ => None,
    });
    let ((label, list), None) = (ours.next()?, ours.next()) else {
        return None;
    };
    let text = |name| Some(parameter(list, name)?.as_string()?.as_str());
    let seconds = |name| {
        let seconds = i64::from(parameter(list, name)?.as_integer()?);
        Some(Millis(u64::try_from(seconds).ok()?.checked_mul(1000)?))
    };
    if let Some(algorithm) = parameter(list, "alg") {
        (algorithm.as_string()?.as_str() == ALGORITHM).then_some(())?;
    }
    let covered = covered(list)?;
    is_enough(&covered, parts).then_some(())?;
    let content = match covered.contains(&DIGEST) {
        true => Some(content(&parts.headers)?),
        false => None,
    };
    let nonce = text("nonce").filter(|nonce| (16..=128).contains(&nonce.len()))?;
    let (account, key) = who(text("keyid")?)?;
    Some(Claim {
        account,
        key,
        created: seconds("created")?,
        expires: match parameter(list, "expires") {
            Some(_) => Some(seconds("expires")?),
            None => None,
        },
        nonce: Nonce(Digest::of(nonce.as_bytes()).0),
        content,
        base: signed_text(&covered, list, parts)?.into_bytes(),
        signature: signature(&parts.headers, label)?,
    })
}

/// `tag` of the signatures of this interface for one ledger: what is signed for one is
/// nothing to another.
pub fn tag(chain: ChainId) -> String {
    format!("medshare/v1/{chain}")
}

/// `keyid`: the account, and before it is on the ledger its first key as well.
fn who(text: &str) -> Option<(AccountId, Option<OperationKey>)> {
    match text.split_once('.') {
        None => Some((text.parse().ok()?, None)),
        Some((account, key)) => {
            let mut bytes = [0; 32];
            hex::decode_to_slice(key, &mut bytes).ok()?;
            Some((account.parse().ok()?, Some(OperationKey(bytes))))
        }
    }
}

/// The covered components, each once; none has parameters.
fn covered(list: &InnerList) -> Option<Vec<&str>> {
    let mut names: Vec<&str> = Vec::new();
    for item in &list.items {
        let name = item.bare_item.as_string()?.as_str();
        if !item.params.is_empty() || names.contains(&name) || names.len() >= MOST {
            return None;
        }
        names.push(name);
    }
    Some(names)
}

/// Whether what is covered says all of what is asked: method and target.
fn is_enough(covered: &[&str], parts: &Parts) -> bool {
    let has = |name| covered.contains(&name);
    let whole = has("@target-uri") || has("@request-target");
    let target = whole || (has("@path") && (has("@query") || parts.uri.query().is_none()));
    has("@method") && target
}

/// The signature base (RFC 9421, section 2.5).
fn signed_text(covered: &[&str], list: &InnerList, parts: &Parts) -> Option<String> {
    let mut text = String::new();
    for name in covered {
        writeln!(text, "\"{name}\": {}", component(name, parts)?).ok()?;
    }
    let params = Dictionary::from([(
        Key::from_string("x".to_owned()).ok()?,
        ListEntry::InnerList(list.clone()),
    )]);
    let params = params.serialize()?;
    write!(
        text,
        "\"@signature-params\": {}",
        params.strip_prefix("x=")?
    )
    .ok()?;
    Some(text)
}

/// The value of a component; `None` for one that the request does not have or that has no
/// meaning here.
fn component(name: &str, parts: &Parts) -> Option<String> {
    let uri = &parts.uri;
    let target = || uri.path_and_query().map(ToString::to_string);
    Some(match name {
        "@method" => parts.method.to_string(),
        "@path" => uri.path().to_owned(),
        "@query" => format!("?{}", uri.query().unwrap_or_default()),
        "@request-target" => target()?,
        "@scheme" => "http".to_owned(),
        "@authority" => authority(&parts.headers)?,
        "@target-uri" => format!("http://{}{}", authority(&parts.headers)?, target()?),
        _ if name.starts_with('@') => return None,
        _ if name.bytes().any(|byte| byte.is_ascii_uppercase()) => return None,
        _ => field(&parts.headers, name)?,
    })
}

fn authority(headers: &HeaderMap) -> Option<String> {
    let host = field(headers, header::HOST.as_str())?.to_ascii_lowercase();
    Some(host.strip_suffix(":80").unwrap_or(&host).to_owned())
}

/// All values of a header, as RFC 9421 joins them.
fn field(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Option<Vec<&str>> = headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().ok().map(str::trim))
        .collect();
    values
        .filter(|values| !values.is_empty())
        .map(|values| values.join(", "))
}

fn dictionary(headers: &HeaderMap, name: &str) -> Option<Dictionary> {
    let text = field(headers, name).filter(|text| text.len() <= LONGEST)?;
    Parser::new(&text).parse().ok()
}

fn parameter<'a>(list: &'a InnerList, name: &str) -> Option<&'a BareItem> {
    list.params
        .iter()
        .find(|(key, _)| key.as_str() == name)
        .map(|(_, value)| value)
}

fn bytes_of(entry: &ListEntry) -> Option<&[u8]> {
    match entry {
        ListEntry::Item(item) => item.bare_item.as_byte_sequence(),
        ListEntry::InnerList(_) => None,
    }
}

fn signature(headers: &HeaderMap, label: &Key) -> Option<Signature> {
    let signatures = dictionary(headers, SIGNATURE)?;
    let (_, entry) = signatures.iter().find(|(key, _)| *key == label)?;
    Some(Signature(bytes_of(entry)?.try_into().ok()?))
}

/// The SHA2-256 of `Content-Digest`.
fn content(headers: &HeaderMap) -> Option<Digest> {
    let digests = dictionary(headers, DIGEST)?;
    let (_, entry) = digests.iter().find(|(key, _)| key.as_str() == "sha-256")?;
    Some(Digest(bytes_of(entry)?.try_into().ok()?))
}

/// What a client sends with a request: the value of `Content-Digest`, if it has a body.
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", base64(&Digest::of(body).0))
}

/// What a client sends with a request: the values of `Signature-Input` and `Signature`, for
/// the components `covered` of the request `parts`, which has its other headers already.
/// `None` when a component is not there.
pub fn sign(
    parts: &Parts,
    covered: &[&str],
    by: (&str, &OperationSecret),
    chain: ChainId,
    created: u64,
    nonce: &str,
) -> Option<(String, String)> {
    let (keyid, secret) = by;
    let items: Vec<String> = covered.iter().map(|name| format!("\"{name}\"")).collect();
    let params = format!(
        "({});created={created};keyid=\"{keyid}\";alg=\"{ALGORITHM}\";nonce=\"{nonce}\";tag=\"{}\"",
        items.join(" "),
        tag(chain)
    );
    let input = format!("sig={params}");
    let read: Dictionary = Parser::new(&input).parse().ok()?;
    let (_, ListEntry::InnerList(list)) = read.first()? else {
        return None;
    };
    let text = signed_text(covered, list, parts)?;
    let signature = secret.sign(text.as_bytes());
    Some((input, format!("sig=:{}:", base64(&signature.0))))
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

/// Headers that a signature is read from or may name, where a request is passed on.
pub(super) const PASSED: [&str; 5] = [INPUT, SIGNATURE, DIGEST, "host", "content-type"];

const INPUT: &str = "signature-input";
const SIGNATURE: &str = "signature";
const DIGEST: &str = "content-digest";
const ALGORITHM: &str = "ed25519";
/// Most components that a signature may cover.
const MOST: usize = 32;
/// Longest header that is read, bytes.
const LONGEST: usize = 4096;

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
