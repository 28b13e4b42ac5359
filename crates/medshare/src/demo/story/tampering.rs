//! Chapter: bytes that are not what they should be, and an agent that lies.

use base::{Cid, RecordId};
use share::sealed::SealedRecord;
use std::{
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::{
    super::{
        party::Party,
        relay::Relay,
        stage::Stage,
        step::{Facts, Report, refusal, step},
    },
    cast::Cast,
    records::{Journey, Published},
    refusals::{asks_only, granted},
};
use crate::exit::{Exit, Fault, Result};

/// Corrupts real bytes, in the store, on the wire, in a file and in an agent.
pub(super) fn tamper(
    stage: &Stage,
    report: &mut Report,
    cast: &Cast,
    published: &Published<'_>,
) -> Result<()> {
    report.chapter("What was tampered with is found out")?;
    let journey = published.of(&cast.mara);
    ciphertext(stage, report, cast, journey)?;
    log(stage, report, cast)?;
    lying_agent(report, cast, published.of(&cast.tomas))
}

/// One bit of a sealed body, first on the node's disk, then on the wire.
fn ciphertext(
    stage: &Stage,
    report: &mut Report,
    cast: &Cast,
    journey: &Journey<'_>,
) -> Result<()> {
    let folder = cast.node.home();
    let body = body_of(&folder, journey)?;
    let block = Held::find(&folder, &body)?;
    block.overwrite(&flipped(&block.bytes))?;
    report.done(
        step(
            "tamper-store",
            "A thief turns over one bit of a sealed body on the node's disk",
        ),
        &Facts::default()
            .cid(&body)
            .sizes(block.bytes.len() as u64, None),
    )?;
    let reader = &cast.brigid;
    let again = |node: &str| {
        let target = reader.path("again");
        let target = target.to_string_lossy();
        reader.run_at(
            node,
            &[
                "record",
                "open",
                &journey.record,
                "--output",
                &target,
                "--force",
            ],
        )
    };
    let answer = again(&stage.address());
    let text = format!(
        "{} opens that record: the damaged block is named",
        reader.name
    );
    report.names(
        step("tampered-ciphertext", text),
        &answer,
        Exit::Invalid,
        &body,
    )?;
    block.overwrite(&block.bytes)?;

    let relay = Relay::start(
        &stage.side_socket("wire.sock"),
        stage.socket(),
        "/v1/blocks/",
    )?;
    let answer = again(&relay.address());
    report.refuses(
        step(
            "tampered-wire",
            "A relay turns over one bit of an answer of the store",
        ),
        &answer,
        refusal(Exit::Invalid, "damaged"),
    )?;
    relay.must_have_flipped(report)?;
    let text = format!("With every bit in its place {} opens it again", reader.name);
    report.passes(step("open-again", text), again(&stage.address()))?;
    Ok(())
}

/// One bit of the log: on the wire to an auditor, to an agent, and in a proof file.
fn log(stage: &Stage, report: &mut Report, cast: &Cast) -> Result<()> {
    let relay = Relay::start(
        &stage.side_socket("leaves.sock"),
        stage.socket(),
        "/v1/leaves",
    )?;
    let answer = cast
        .ines
        .run_at(&relay.address(), &["ledger", "tail", "--from", "0"]);
    report.refuses(
        step(
            "tampered-log",
            "A relay changes one bit of the log on its way to an auditor",
        ),
        &answer,
        refusal(Exit::Invalid, "certified head"),
    )?;
    relay.must_have_flipped(report)?;
    let logged = cast.helix.run(&["account", "rotate-key", "--kind", "hpke"]);
    report.passes(
        step("rotate-key", "Helix replaces a key: the log grows"),
        logged,
    )?;
    let answer = cast.liar.run_at(&relay.address(), &["agent", "once"]);
    report.refuses(
        step(
            "tampered-log-agent",
            "The same relay before an agent: it does nothing more",
        ),
        &answer,
        refusal(Exit::Invalid, "leaves"),
    )?;
    let relay = Relay::start(
        &stage.side_socket("blocks.sock"),
        stage.socket(),
        "/v1/ledger/blocks/",
    )?;
    let answer = cast.ines.run_at(&relay.address(), &["ledger", "replay"]);
    report.refuses(
        step(
            "tampered-replay",
            "A relay changes one bit of a block under a replay",
        ),
        &answer,
        refusal(Exit::Invalid, ""),
    )?;
    relay.must_have_flipped(report)
}

/// St. Brigid's agent corrupts c2 before it logs, signs and sends it.
fn lying_agent(report: &mut Report, cast: &Cast, journey: &Journey<'_>) -> Result<()> {
    let (patient, agent, requester) = (journey.patient, &cast.liar, &cast.helix);
    let grant = granted(report, cast, requester, patient, journey, &[])?;
    report.passes(
        step(
            "agent-keys",
            format!("{} takes its re-encryption key in", agent.name),
        ),
        agent.run(&["agent", "once"]),
    )?;
    report.waits(
        step(
            "ask",
            format!(
                "{} asks for {} and does not wait",
                requester.name,
                journey.name()
            ),
        ),
        &asks_only(requester, journey, &grant),
    )?;
    let lie = agent.run(&["demo", "lie", "--grant", &grant]);
    let text = format!(
        "{} corrupts c2, logs its hash, signs and sends it",
        agent.name
    );
    let query = report.passes(step("lie", text), lie)?.text("operation")?;
    report.refuses(
        step(
            "lying-agent",
            format!("{} opens the answer: it does not hold", requester.name),
        ),
        &asks_only(requester, journey, &grant),
        refusal(Exit::Invalid, "does not open"),
    )?;
    evidence(report, cast, journey, &query)
}

/// The patient audits with the keys that she made; the consortium decides.
fn evidence(report: &mut Report, cast: &Cast, journey: &Journey<'_>, query: &str) -> Result<()> {
    let (patient, arbiter) = (journey.patient, &cast.riverside);
    let told = patient.run(&["wallet", "run", "--once"]);
    let lied = told
        .event("failure-reported")
        .is_some_and(|event| event["lied"] == true);
    let facts = Facts::of(&told);
    report.checks(
        step(
            "audit",
            format!(
                "{} is told, recomputes c2 bit for bit: the agent lied",
                patient.name
            ),
        ),
        &facts,
        lied,
        "the patient's audit did not find the lie",
    )?;
    let logged = patient.run(&["ledger", "show", query]);
    let sid = logged
        .values
        .iter()
        .find_map(|value| value.pointer("/operation/body/action/Query/sid")?.as_str())
        .map(str::to_owned)
        .ok_or_else(|| Fault::new(Exit::Internal, "the logged query shows no scope"))?;
    report.passes(
        step(
            "rotate",
            format!(
                "{} rotates the scope: the evidence holds its key",
                patient.name
            ),
        ),
        patient.run(&["scope", "rotate", &sid]),
    )?;
    let arguments = [
        "dispute",
        "open",
        "--query",
        query,
        "--code",
        "lying-agent",
        "--arbiter",
        arbiter.account(),
    ];
    let text = format!(
        "{} disputes the query, evidence sealed to {}",
        patient.name, arbiter.name
    );
    let dispute = report
        .passes(step("dispute", text), patient.run(&arguments))?
        .text("dispute")?;
    let examined = arbiter.run(&["dispute", "examine", &dispute]);
    let lied = examined.values.iter().any(|value| value["lied"] == true);
    report.checks(
        step(
            "examine",
            format!(
                "{} audits the evidence and comes to the same end",
                arbiter.name
            ),
        ),
        &Facts::of(&examined),
        lied,
        "the arbiter's audit did not find the lie",
    )?;
    let resolve = cast
        .node
        .run(&["dispute", "resolve", &dispute, "--resolution", "upheld"]);
    report.passes(
        step(
            "resolve",
            "The consortium upholds the dispute: a mark for the agent",
        ),
        resolve,
    )?;
    Ok(())
}

// -- bytes

/// The first body of a record, found on the node's own disk as a thief would.
fn body_of(folder: &Path, journey: &Journey<'_>) -> Result<String> {
    let unreadable =
        |what: &str| Fault::new(Exit::Internal, format!("{what} of {}", journey.name()));
    let record: RecordId = journey
        .record
        .parse()
        .map_err(|_| unreadable("no record id"))?;
    let root = Held::find(folder, &journey.state)?.bytes;
    let sealed = SealedRecord::from_block(&root, record).map_err(|_| unreadable("no root"))?;
    let part = sealed.parts.first().ok_or_else(|| unreadable("no part"))?;
    Ok(Cid::to_string(&part.body))
}

/// A block as it lies in a pack on a node's disk.
struct Held {
    pack: PathBuf,
    offset: u64,
    bytes: Vec<u8>,
}

impl Held {
    /// Looks for it in the packs of the node whose home is `folder`. What stands before a
    /// block, 48 bytes at a multiple of eight, names it: `blok`, length, codec, SHA2-256
    /// (ADR 11).
    fn find(folder: &Path, cid: &str) -> Result<Self> {
        let absent = || Fault::new(Exit::NotFound, format!("no pack holds block {cid}"));
        let digest = cid.parse().ok().as_ref().and_then(base::cid::sha256_digest);
        let digest = digest.ok_or_else(absent)?;
        let packs = folder.join("node/blocks/packs");
        let failed = |error: &std::io::Error| Fault::io(packs.display(), error);
        for entry in fs::read_dir(&packs).map_err(|error| failed(&error))? {
            let pack = entry.map_err(|error| failed(&error))?.path();
            let all = read(&pack)?;
            let heads = (0..all.len()).step_by(8).filter_map(|at| {
                let head = all.get(at..at + 48)?;
                let named = head.starts_with(b"blok") && head.get(9..41)? == digest;
                let length = u32::from_le_bytes(head.get(4..8)?.try_into().ok()?);
                named.then_some((at + 48, length as usize))
            });
            for (at, length) in heads {
                if let Some(bytes) = all.get(at..at + length) {
                    return Ok(Self {
                        offset: at as u64,
                        bytes: bytes.to_vec(),
                        pack,
                    });
                }
            }
        }
        Err(absent())
    }

    fn overwrite(&self, bytes: &[u8]) -> Result<()> {
        let write = || {
            let mut pack = fs::OpenOptions::new().write(true).open(&self.pack)?;
            pack.seek(SeekFrom::Start(self.offset))?;
            pack.write_all(bytes)
        };
        write().map_err(|error| Fault::io(self.pack.display(), &error))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Fault::io(path.display(), &error))
}

fn overwrite(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|error| Fault::io(path.display(), &error))
}

/// One bit in the middle.
fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    bytes
}

/// A proof file with one bit turned over must not hold.
pub(super) fn proof(report: &mut Report, party: &Party, file: &Path) -> Result<()> {
    let forged = party.path("forged.proof");
    overwrite(&forged, &flipped(&read(file)?))?;
    let forged = forged.to_string_lossy();
    report.refuses(
        step(
            "tampered-proof",
            format!(
                "One bit of that proof is changed: {} refuses it",
                party.name
            ),
        ),
        &party.run(&["ledger", "verify", &forged]),
        refusal(Exit::Invalid, ""),
    )
}
