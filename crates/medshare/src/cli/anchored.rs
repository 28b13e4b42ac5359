//! `ledger prove --anchor` and `ledger verify` of what it writes: proofs that end in a
//! public chain.

use ::anchor::{
    AnchoredProof, Broken, By, Chain, RecordProof, Recorded, Stood, Trust,
    bitcoin::{BitcoinTrust, Payer},
    eos::EosTrust,
    ethereum::EthereumTrust,
};
use base::{Digest, OperationId, genesis::Genesis};
use clap::{Args, ValueEnum};
use ledger::Validators;
use serde_json::json;
use share::node::Node as _;
use std::path::{Path, PathBuf};

use super::{anchor, context::Context, proof::transitions_before, show};
use crate::{
    exit::{Exit, Fault, Result},
    files,
    http::{
        HttpNode,
        anchors::{AnchoredHead, RecordedLeaf},
    },
};

/// How a proof that ends in a public chain is written.
#[derive(Args, Debug)]
pub struct AnchorArgs {
    /// Lead to an anchor in this public chain: ethereum, bitcoin, eos
    #[arg(long, value_name = "CHAIN")]
    pub anchor: Option<Chain>,
    /// With --anchor: lead to the operation's own transaction, where single records are submitted
    #[arg(long, requires = "anchor", conflicts_with = "certificate")]
    pub record: bool,
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
    /// Of an anchored proof: the ledger's contract in Ethereum [default: the configuration's]
    #[arg(long, value_name = "ADDRESS")]
    pub contract: Option<String>,
    /// Of an anchored proof: whose anchors count, in Bitcoin an address, in EOS an account
    /// (repeatable) [default: the configuration's]
    #[arg(long, value_name = "ADDRESS|ACCOUNT")]
    pub payer: Vec<String>,
}

/// Whether a file is a proof that ends in a public chain: JSON, or a map of four or six to eight
/// of which one is called so.
pub fn is_anchored(bytes: &[u8]) -> bool {
    const ANCHOR: &[u8] = b"\x66anchor";
    match bytes.first() {
        Some(b'{') => true,
        Some(0xa4 | 0xa6..=0xa8) => bytes.windows(ANCHOR.len()).any(|at| at == ANCHOR),
        _ => false,
    }
}

/// A proof that ends in a public chain.
#[derive(Clone, Debug)]
pub enum Proof {
    /// By an anchor of the whole log.
    Anchored(AnchoredProof),
    /// By a transaction of its own.
    Record(RecordProof),
}

impl Proof {
    /// Reads either.
    ///
    /// # Errors
    /// [`Broken`] at the format.
    pub fn read(bytes: &[u8]) -> std::result::Result<Self, Broken> {
        // Of JSON, only the one with a path into a tree has this name outside of texts.
        const PATH: &[u8] = b"\"inclusion\"";
        let record = match bytes.first() {
            Some(b'{') => !bytes.windows(PATH.len()).any(|at| at == PATH),
            first => first == Some(&0xa4),
        };
        match record {
            true => RecordProof::read(bytes).map(Self::Record),
            false => AnchoredProof::read(bytes).map(Self::Anchored),
        }
    }

    fn chain(&self) -> Chain {
        match self {
            Self::Anchored(proof) => proof.anchor.chain(),
            Self::Record(proof) => proof.anchor.chain(),
        }
    }
}

/// The file for an operation that has a transaction of its own, checked.
///
/// # Errors
/// As [`prove`].
pub fn prove_record(
    id: OperationId,
    chain: Chain,
    args: &AnchorArgs,
    node: &HttpNode,
    genesis: &Genesis,
) -> Result<(Vec<u8>, Recorded)> {
    anchor::require(chain)?;
    let (index, leaf) = node
        .operation(id)?
        .ok_or_else(|| Fault::new(Exit::NotFound, format!("the ledger has no operation {id}")))?;
    let found: Option<RecordedLeaf> = node.find(&format!("/v1/anchors/{chain}/{index}/record"))?;
    let found = found.ok_or_else(|| {
        Fault::new(
            Exit::Pending,
            format!("leaf {index} has no final transaction of its own in {chain} that this node knows; `medshare anchor status` shows them"),
        )
    })?;
    let proof = RecordProof::new(&leaf, index, found.evidence);
    let recorded = proof.examine(genesis.chain()).map_err(|broken| {
        let what = format!("the node's proof does not hold: {broken}");
        Fault::new(Exit::Invalid, what)
    })?;
    if recorded.operation != id {
        let what = "the node's proof does not hold: it is about another operation";
        return Err(Fault::new(Exit::Invalid, what));
    }
    let bytes = match args.format {
        Format::Cbor => proof.to_bytes(),
        Format::Json => proof.to_json().into_bytes(),
    };
    Ok((bytes, recorded))
}

/// What `prove --record` prints.
///
/// # Errors
/// That of the output.
pub fn report_record(
    recorded: &Recorded,
    output: &Path,
    length: usize,
    context: &Context,
) -> Result<()> {
    let mut value = json!({
        "operation": recorded.operation.to_string(),
        "index": recorded.index,
        "file": output.display().to_string(),
        "bytes": length,
    });
    describe(&recorded.stood, &mut value);
    context.output.data(
        &value,
        format!(
            "proof of leaf {}, submitted by itself to {}: {length} bytes in {}",
            recorded.index,
            block(&recorded.stood),
            output.display(),
        ),
    )
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
    let transitions = transitions_before(found.head.header.height, node)?;
    let mut validators = Validators::of(genesis);
    for transition in transitions.clone() {
        let followed = validators.follow(transition);
        followed.map_err(|error| invalid(&error))?;
    }
    let head = found.head.verify(&validators);
    let head = head.map_err(|error| invalid(&error))?.into_head();
    let inclusion = node.inclusion(index, head.header.tree_size)?;
    let proof = AnchoredProof::new(&leaf, inclusion, &head, args.certificate, found.evidence)
        .led_by(&transitions);
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
    let mut value = json!({
        "operation": anchored.operation.to_string(),
        "index": anchored.index,
        "tree_size": anchored.header.tree_size,
        "height": anchored.header.height,
        "file": output.display().to_string(),
        "bytes": length,
    });
    describe(stood, &mut value);
    context.output.data(
        &value,
        format!(
            "proof of leaf {} in {} leaves, anchored in {}: {length} bytes in {}",
            anchored.index,
            anchored.header.tree_size,
            block(stood),
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
        Fault::new(
            Exit::Invalid,
            format!("the proof does not hold: broken link: {broken}"),
        )
    };
    let proof = Proof::read(bytes).map_err(broken)?;
    let chain = proof.chain();
    anchor::require(chain)?;
    let blocks = blocks(args)?;
    let (mut ethereum, mut bitcoin, mut eos) = (None, None, None);
    match chain {
        _ if blocks.is_empty() => {}
        Chain::Ethereum => {
            let record = matches!(proof, Proof::Record(_));
            ethereum = Some(ethereum_trust(args, blocks, record, context)?);
        }
        Chain::Bitcoin => bitcoin = Some(bitcoin_trust(args, blocks, context)?),
        Chain::Eos => eos = Some(eos_trust(args, blocks, context)?),
    }
    let validators = Validators::of(genesis);
    let trust = Trust {
        ledger: genesis.chain(),
        validators: Some(&validators),
        ethereum: ethereum.as_ref(),
        bitcoin: bitcoin.as_ref(),
        eos: eos.as_ref(),
    };
    let proof = match proof {
        Proof::Anchored(proof) => proof,
        Proof::Record(proof) => {
            let recorded = proof.verify(&trust).map_err(broken)?;
            return report_verified_record(&recorded, genesis, context);
        }
    };
    let anchored = proof.verify(&trust).map_err(broken)?;
    let (stood, header) = (&anchored.stood, &anchored.header);
    let body = &anchored.leaf.operation.body;
    let mut place = json!({"block_time": stood.time, "transaction": stood.transaction});
    describe(stood, &mut place);
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
        "anchor": place,
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
            "the proof holds\noperation        {}\naction           {} by {}\noutcome          {outcome}\nstands at        leaf {} of {}, in or before block {} of {} ({signed})\nledger           {} ({})\nanchored         {}, transaction {}, {}",
            anchored.operation,
            body.action.name(),
            body.account,
            anchored.index,
            header.tree_size,
            header.height,
            header.time,
            genesis.chain(),
            genesis.network,
            block(stood),
            stood.transaction,
            base::Millis(stood.time.saturating_mul(1_000)),
        ),
    )
}

fn report_verified_record(recorded: &Recorded, genesis: &Genesis, context: &Context) -> Result<()> {
    let stood = &recorded.stood;
    let body = &recorded.leaf.operation.body;
    let mut place = json!({"block_time": stood.time, "transaction": stood.transaction});
    describe(stood, &mut place);
    let value = json!({
        "verified": true,
        "chain": genesis.chain().to_string(),
        "operation": recorded.operation.to_string(),
        "action": body.action.name(),
        "account": body.account.to_string(),
        "outcome": show::json(&recorded.leaf.outcome),
        "index": recorded.index,
        "certified": false,
        "anchor": place,
    });
    let outcome = recorded.leaf.outcome.failure();
    let outcome = outcome.map_or("ok".into(), |failure| format!("failed: {failure}"));
    context.output.data(
        &value,
        format!(
            "the proof holds\noperation        {}\naction           {} by {}\noutcome          {outcome}\nstands at        leaf {}, as who submitted it says (no signatures in the file)\nledger           {} ({})\nsubmitted        {}, transaction {}, {}",
            recorded.operation,
            body.action.name(),
            body.account,
            recorded.index,
            genesis.chain(),
            genesis.network,
            block(stood),
            stood.transaction,
            base::Millis(stood.time.saturating_mul(1_000)),
        ),
    )
}

/// What a chain shows of whose an anchor is and where it stands.
fn describe(stood: &Stood, value: &mut serde_json::Value) {
    value["chain"] = stood.chain().name().into();
    value["block"] = block_hash(stood).into();
    match &stood.by {
        By::Ethereum(contract) => {
            value["network"] = contract.chain_id.into();
            value["contract"] = hex0x(&contract.address).into();
            value["sequence"] = contract.sequence.into();
            value["block_number"] = stood.number.into();
        }
        By::Bitcoin(payer) => value["payer"] = hex::encode(payer.0).into(),
        By::Eos(actor) => {
            value["payer"] = actor.to_string().into();
            value["block_number"] = stood.number.into();
        }
    }
}

/// The same in words.
fn block(stood: &Stood) -> String {
    let hash = block_hash(stood);
    match &stood.by {
        By::Ethereum(contract) => format!(
            "ethereum {}, anchor {}, block {} ({hash})",
            contract.chain_id,
            contract.sequence,
            stood.number.unwrap_or_default(),
        ),
        By::Bitcoin(payer) => {
            let payer = hex::encode(payer.0);
            format!("bitcoin by the key of hash {payer}, block {hash}")
        }
        By::Eos(actor) => format!(
            "eos by the account {actor}, block {} ({hash})",
            stood.number.unwrap_or_default()
        ),
    }
}

/// A block's hash as its chain writes it.
fn block_hash(stood: &Stood) -> String {
    match stood.chain() {
        Chain::Ethereum => hex0x(&stood.block.0),
        Chain::Bitcoin | Chain::Eos => stood.block.to_string(),
    }
}

/// Blocks to trust, as flags and files have them.
fn blocks(args: &TrustArgs) -> Result<Vec<Digest>> {
    let mut texts = args.block.clone();
    if let Some(path) = &args.blocks {
        let listed = files::read_small(path, 1 << 20)?;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let lines = listed.lines().map(str::trim);
        texts.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
    }
    let block = |text: &String| {
        let wrong = || usage(format!("{text:?} is no hash of a block"));
        digits::<32>(text).map(Digest).ok_or_else(wrong)
    };
    texts.iter().map(block).collect()
}

fn usage(what: String) -> Fault {
    Fault::new(Exit::Usage, what)
}

fn ethereum_trust(
    args: &TrustArgs,
    blocks: Vec<Digest>,
    record: bool,
    context: &Context,
) -> Result<EthereumTrust> {
    let configured = context.config.anchor.ethereum.as_ref();
    let network = args.network.or(configured.map(|config| config.chain_id));
    let contract = args
        .contract
        .clone()
        .or(configured.and_then(|config| match record {
            true => Some(config.records.as_ref()?.contract.clone()),
            false => Some(config.contract.clone()),
        }));
    let (Some(chain_id), Some(contract)) = (network, contract) else {
        return Err(usage(
            "give --network NUMBER and --contract ADDRESS: whose anchors count".into(),
        ));
    };
    let contract =
        digits::<20>(&contract).ok_or_else(|| usage(format!("{contract:?} is no address")))?;
    Ok(EthereumTrust {
        chain_id,
        contract,
        blocks,
    })
}

fn bitcoin_trust(args: &TrustArgs, blocks: Vec<Digest>, context: &Context) -> Result<BitcoinTrust> {
    let configured = context.config.anchor.bitcoin.as_ref();
    let mut texts = args.payer.as_slice();
    if let ([], Some(config)) = (texts, configured) {
        texts = &config.payers;
    }
    if texts.is_empty() {
        return Err(usage("give --payer ADDRESS: whose anchors count".into()));
    }
    let payer = |text: &String| {
        let wrong = || usage(format!("{text:?} is no address of a key"));
        payer(text).ok_or_else(wrong)
    };
    Ok(BitcoinTrust {
        payers: texts.iter().map(payer).collect::<Result<_>>()?,
        blocks,
    })
}

fn eos_trust(args: &TrustArgs, blocks: Vec<Digest>, context: &Context) -> Result<EosTrust> {
    let mut texts = args.payer.clone();
    if let ([], Some(config)) = (texts.as_slice(), &context.config.anchor.eos) {
        texts.push(config.actor.clone());
        texts.extend(config.payers.iter().cloned());
    }
    if texts.is_empty() {
        return Err(usage("give --payer ACCOUNT: whose anchors count".into()));
    }
    let actor = |text: &String| {
        let name = text.trim().parse();
        name.map_err(|error| usage(format!("{text:?}: {error}")))
    };
    Ok(EosTrust {
        actors: texts.iter().map(actor).collect::<Result<_>>()?,
        blocks,
    })
}

/// An address, or the hash that it is of.
fn payer(text: &str) -> Option<Payer> {
    #[cfg(feature = "bitcoin")]
    if let Ok(payer) = text.trim().parse() {
        return Some(payer);
    }
    digits::<20>(text).map(Payer)
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
