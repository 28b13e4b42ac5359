//! `ledger prove --anchor` and `ledger verify` of what it writes: proofs that end in a
//! public chain.

use ::anchor::{AnchoredProof, Broken, Chain, EthereumTrust, Link, Trust};
use base::{Digest, OperationId, genesis::Genesis};
use clap::{Args, ValueEnum};
use ledger::Validators;
use serde_json::json;
use share::node::Node as _;
use std::path::{Path, PathBuf};

use super::{anchor, context::Context, show};
use crate::{
    exit::{Exit, Fault, Result},
    files,
    http::{HttpNode, anchors::AnchoredHead},
};

/// How a proof that ends in a public chain is written.
#[derive(Args, Debug)]
pub struct AnchorArgs {
    /// Lead to an anchor in this public chain: ethereum
    #[arg(long, value_name = "CHAIN")]
    pub anchor: Option<Chain>,
    /// With --anchor: put the validators' signatures into the file, too
    #[arg(long, requires = "anchor")]
    pub certificate: bool,
    /// With --anchor: how the file is written
    #[arg(long, value_enum, default_value_t = Format::Cbor, requires = "anchor")]
    pub format: Format,
}

/// The two forms of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Format {
    /// DAG-CBOR
    #[default]
    Cbor,
    /// JSON
    Json,
}

/// What a verifier trusts of a public chain.
#[derive(Args, Debug)]
pub struct TrustArgs {
    /// Of an anchored proof: hash of a public block to trust (repeatable)
    #[arg(long, value_name = "HASH")]
    pub block: Vec<String>,
    /// The same from a file, one hash a line
    #[arg(long, value_name = "FILE")]
    pub blocks: Option<PathBuf>,
    /// Of an anchored proof: number of the Ethereum network [default: the configuration's]
    #[arg(long, value_name = "NUMBER")]
    pub network: Option<u64>,
    /// Of an anchored proof: the ledger's contract [default: the configuration's]
    #[arg(long, value_name = "ADDRESS")]
    pub contract: Option<String>,
}

/// Whether a file is a proof that ends in a public chain, as far as its first byte says:
/// JSON, or a map of six.
pub fn is_anchored(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(b'{' | 0xa6))
}

/// The file for an operation, checked.
///
/// # Errors
/// [`Exit::Config`] when this build cannot, [`Exit::NotFound`], [`Exit::Pending`] when the
/// operation is in no final anchor yet, [`Exit::Invalid`].
pub fn prove(
    id: OperationId,
    chain: Chain,
    args: &AnchorArgs,
    node: &HttpNode,
    genesis: &Genesis,
) -> Result<(Vec<u8>, ::anchor::Anchored)> {
    anchor::require(chain)?;
    let (index, leaf) = node
        .operation(id)?
        .ok_or_else(|| Fault::new(Exit::NotFound, format!("the ledger has no operation {id}")))?;
    let found: Option<AnchoredHead> = node.find(&format!("/v1/anchors/{chain}/{index}"))?;
    let found = found.ok_or_else(|| {
        Fault::new(
            Exit::Pending,
            format!("leaf {index} is in no final anchor in {chain} that this node knows; `medshare anchor status` shows them"),
        )
    })?;
    let invalid = |reason: &dyn std::fmt::Display| {
        Fault::new(
            Exit::Invalid,
            format!("the node's proof does not hold: {reason}"),
        )
    };
    let head = found
        .head
        .verify(&Validators::of(genesis))
        .map_err(|error| invalid(&error))?
        .into_head();
    let inclusion = node.inclusion(index, head.header.tree_size)?;
    let proof = AnchoredProof::new(&leaf, inclusion, &head, args.certificate, found.evidence);
    let anchored = proof
        .examine(genesis.chain())
        .map_err(|broken| invalid(&broken))?;
    if anchored.operation != id {
        return Err(invalid(&"it is about another operation"));
    }
    let bytes = match args.format {
        Format::Cbor => proof.to_bytes(),
        Format::Json => proof.to_json().into_bytes(),
    };
    Ok((bytes, anchored))
}

/// What `prove` prints.
///
/// # Errors
/// That of the output.
pub fn report_proved(
    anchored: &::anchor::Anchored,
    output: &Path,
    length: usize,
    context: &Context,
) -> Result<()> {
    let stood = &anchored.stood;
    let value = json!({
        "operation": anchored.operation.to_string(),
        "index": anchored.index,
        "tree_size": anchored.header.tree_size,
        "height": anchored.header.height,
        "chain": stood.chain.name(),
        "network": stood.network,
        "contract": hex0x(&stood.contract),
        "block": hex0x(&stood.place.block.0),
        "block_number": stood.place.number,
        "file": output.display().to_string(),
        "bytes": length,
    });
    context.output.data(
        &value,
        format!(
            "proof of leaf {} in {} leaves, anchored in {} {} block {} ({}): {length} bytes in {}",
            anchored.index,
            anchored.header.tree_size,
            stood.chain,
            stood.network,
            stood.place.number,
            hex0x(&stood.place.block.0),
            output.display(),
        ),
    )
}

/// Checks an anchored proof offline and prints what it shows.
///
/// # Errors
/// [`Exit::Invalid`] naming the link that does not hold, [`Exit::Usage`], [`Exit::Config`].
pub fn verify(bytes: &[u8], genesis: &Genesis, args: &TrustArgs, context: &Context) -> Result<()> {
    let broken = |broken: Broken| {
        let exit = match (broken.link, Chain::Ethereum.is_built()) {
            (Link::Header, false) => Exit::Config,
            _ => Exit::Invalid,
        };
        Fault::new(
            exit,
            format!("the proof does not hold: broken link: {broken}"),
        )
    };
    let proof = AnchoredProof::read(bytes).map_err(broken)?;
    let ethereum = ethereum_trust(args, context)?;
    let validators = Validators::of(genesis);
    let trust = Trust {
        ledger: genesis.chain(),
        validators: Some(&validators),
        ethereum: ethereum.as_ref(),
    };
    let anchored = proof.verify(&trust).map_err(broken)?;
    let (stood, header) = (&anchored.stood, &anchored.header);
    let body = &anchored.leaf.operation.body;
    let value = json!({
        "verified": true,
        "chain": genesis.chain().to_string(),
        "operation": anchored.operation.to_string(),
        "action": body.action.name(),
        "account": body.account.to_string(),
        "outcome": show::json(&anchored.leaf.outcome),
        "index": anchored.index,
        "tree_size": header.tree_size,
        "height": header.height,
        "time": header.time.to_string(),
        "certified": anchored.certified,
        "anchor": {
            "chain": stood.chain.name(),
            "network": stood.network,
            "contract": hex0x(&stood.contract),
            "sequence": stood.sequence,
            "block": hex0x(&stood.place.block.0),
            "block_number": stood.place.number,
            "block_time": stood.time,
            "transaction": stood.place.transaction,
        },
    });
    let outcome = anchored.leaf.outcome.failure();
    let outcome = outcome.map_or("ok".into(), |failure| format!("failed: {failure}"));
    let signed = match anchored.certified {
        true => "signed by the validators",
        false => "no signatures in the file",
    };
    context.output.data(
        &value,
        format!(
            "the proof holds\noperation        {}\naction           {} by {}\noutcome          {outcome}\nstands at        leaf {} of {}, in or before block {} of {} ({signed})\nledger           {} ({})\nanchored         {} {}, anchor {}, transaction {} of block {} ({}), {}",
            anchored.operation,
            body.action.name(),
            body.account,
            anchored.index,
            header.tree_size,
            header.height,
            header.time,
            genesis.chain(),
            genesis.network,
            stood.chain,
            stood.network,
            stood.sequence,
            stood.place.transaction,
            stood.place.number,
            hex0x(&stood.place.block.0),
            base::Millis(stood.time.saturating_mul(1_000)),
        ),
    )
}

fn ethereum_trust(args: &TrustArgs, context: &Context) -> Result<Option<EthereumTrust>> {
    let mut texts = args.block.clone();
    if let Some(path) = &args.blocks {
        let listed = files::read_small(path, 1 << 20)?;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let lines = listed.lines().map(str::trim);
        texts.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
    }
    if texts.is_empty() {
        return Ok(None);
    }
    let usage = |what: String| Fault::new(Exit::Usage, what);
    let configured = context.config.anchor.ethereum.as_ref();
    let network = args.network.or(configured.map(|config| config.chain_id));
    let contract = args
        .contract
        .clone()
        .or(configured.map(|config| config.contract.clone()));
    let (Some(chain_id), Some(contract)) = (network, contract) else {
        return Err(usage(
            "give --network NUMBER and --contract ADDRESS: whose anchors count".into(),
        ));
    };
    let blocks = texts
        .iter()
        .map(|text| {
            digits::<32>(text)
                .map(Digest)
                .ok_or_else(|| usage(format!("{text:?} is no hash of a block")))
        })
        .collect::<Result<_>>()?;
    let contract =
        digits::<20>(&contract).ok_or_else(|| usage(format!("{contract:?} is no address")))?;
    Ok(Some(EthereumTrust {
        chain_id,
        contract,
        blocks,
    }))
}

fn digits<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    let text = text.trim();
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut bytes).ok()?;
    Some(bytes)
}

fn hex0x(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
