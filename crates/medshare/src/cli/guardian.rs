//! `medshare guardian`: this account guards others' accounts.

use base::{AccountId, Digest, operation::Role};
use clap::Subcommand;
use serde_json::{Value, json};
use share::{
    letter::key_hash,
    recovery::keep::{self, AskedClaim},
};

use super::{
    context::{Context, Entered},
    party::round,
};
use crate::{
    exit::{Exit, Fault, Result},
    system::{self, OsRng},
};

/// Verbs of a guardian.
#[derive(Subcommand, Debug)]
pub enum GuardianCommand {
    /// Take letters in and give out what is due; print whom this account guards, and who
    /// asks for a recovery
    List,
    /// Approve the recovery whose code its owner has read to you
    #[command(after_help = "\
Example:
  medshare guardian approve 08154-47110-31415-92653 --home ~/wallet

Only a code that the owner reads to you herself, face to face or by telephone, when you know
her by her face or voice. Whoever sends you a code, or asks in a letter, is not her.
Your share stays here until she has had her time to object.")]
    Approve {
        /// The 20 digits; blanks and dashes do not matter
        #[arg(required = true)]
        code: Vec<String>,
    },
    /// Forget a request, approved or not: your share is not given for it
    Deny {
        /// Its id, as `guardian list` shows it
        claim: Digest,
    },
}

const PARTIES: [Role; 4] = [Role::Patient, Role::Hospital, Role::Agent, Role::Requester];

/// Runs the verb.
///
/// # Errors
/// By the exit-code table.
pub fn run(command: GuardianCommand, context: &Context) -> Result<()> {
    let entered = context.enter(&PARTIES)?;
    for event in round(&entered)? {
        context.output.talk(event.text);
    }
    match command {
        GuardianCommand::List => list(&entered, context),
        GuardianCommand::Approve { code } => {
            let desk = entered.desk();
            let asked = keep::approve(&desk, &code.concat(), system::now(), &mut OsRng)?;
            let owner = asked.claim.account;
            context.output.data(
                &json!({"owner": owner.to_string(), "device": asked.device.to_string(), "outcome": "ok"}),
                format!("approved: a new key for {owner}; your share follows if she does not object"),
            )
        }
        GuardianCommand::Deny { claim } => {
            keep::deny(&entered.desk(), claim).map_err(|_| unknown(claim))?;
            context.output.data(
                &json!({"claim": claim.to_string(), "outcome": "ok"}),
                format!("{claim} is forgotten"),
            )
        }
    }
}

fn unknown(claim: Digest) -> Fault {
    Fault::new(
        Exit::NotFound,
        format!("there is no request {claim}; `medshare guardian list` shows them"),
    )
}

fn list(entered: &Entered, context: &Context) -> Result<()> {
    let desk = entered.desk();
    let shares = keep::shares(&desk)?.into_iter().map(|share| {
        let (owner, threshold) = (share.owner, share.set.threshold);
        (
            json!({
                "kind": "share",
                "owner": owner.to_string(),
                "threshold": threshold,
                "guard": share.guard.to_string(),
            }),
            format!("share    of {owner}; {threshold} guardians bring her back"),
        )
    });
    let claims = keep::claims(&desk)?;
    let claims = claims.iter().map(|(id, asked)| request(*id, asked));
    let rows: Vec<(Value, String)> = shares.chain(claims).collect();
    context
        .output
        .rows("this account guards nobody", rows, Clone::clone)
}

fn request(id: Digest, asked: &AskedClaim) -> (Value, String) {
    let owner: AccountId = asked.claim.account;
    let end = asked
        .approved
        .map_or("asked".to_owned(), |time| format!("approved {time}"));
    (
        json!({
            "kind": "claim",
            "claim": id.to_string(),
            "owner": owner.to_string(),
            "device": asked.device.to_string(),
            "one_time_key": key_hash(&asked.claim.hpke_key).to_string(),
            "received": asked.received.to_string(),
            "approved": asked.approved.map(|time| time.to_string()),
        }),
        format!(
            "request  {id}  to recover {owner}  {}  {end}",
            asked.received
        ),
    )
}
