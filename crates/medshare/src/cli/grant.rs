//! `medshare grant`: the patient's word on a request.

use base::{
    AccountId, Class, Epoch, OperationId,
    operation::{GrantUse, Role},
};
use clap::{Args, Subcommand};
use ledger::Grant;
use serde_json::json;
use share::{
    Node as _,
    authorize::{self, Choice},
    letter::{Purpose, Wish},
    request, revoke,
};

use super::{
    contact,
    context::Context,
    operation::{parse_id, report},
    output::usage,
    own,
    party::{parse_span, round},
    request::no_wish,
    show,
};
use crate::{
    exit::{Exit, Fault, Result},
    system::{self, OsRng},
};

/// Verbs of grants.
#[derive(Subcommand, Debug)]
pub enum GrantCommand {
    /// Grant a request: keys go to the requester and to the agents you name
    #[command(after_help = "\
Examples:
  medshare grant approve bafyrei… --agent ba9e… --home ~/wallet
  medshare grant approve bafyrei… --agent ba9e… --class laboratory --for 7d --max-queries 10

An agent must not belong to the requester's institution or group. A delegate, who cannot
read the letter to the patient, names the classes and the span itself.")]
    Approve(ApproveArgs),
    /// Refuse a request
    Deny {
        /// The request
        #[arg(value_parser = parse_id)]
        request: OperationId,
    },
    /// End a grant now; what was read stays read
    Revoke {
        /// The grant
        #[arg(value_parser = parse_id)]
        grant: OperationId,
    },
    /// Print the grants by, to, or through this home's account
    List {
        /// Only live ones
        #[arg(long)]
        live: bool,
    },
}

/// What `approve` takes.
#[derive(Args, Debug)]
pub struct ApproveArgs {
    /// The request
    #[arg(value_parser = parse_id)]
    request: OperationId,
    /// Who may re-encrypt: an account's id, or its name in this home's contacts (repeatable)
    #[arg(long = "agent", value_name = "ACCOUNT", required = true)]
    agents: Vec<String>,
    /// Only this class of those asked for (repeatable)
    #[arg(long = "class", value_name = "CLASS")]
    classes: Vec<Class>,
    /// How long [default: as asked]
    #[arg(long = "for", value_name = "SPAN", value_parser = parse_span)]
    duration: Option<u64>,
    /// Start only after this span
    #[arg(long, value_name = "SPAN", value_parser = parse_span, default_value = "0s")]
    after: u64,
    /// How many distinct parts may be opened
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    max_queries: u32,
    /// Break-glass: serves only within a day after an emergency of that hospital
    #[arg(long)]
    emergency: bool,
}

/// Runs the verb.
///
/// # Errors
/// By the exit-code table.
pub fn run(command: GrantCommand, context: &Context) -> Result<()> {
    match command {
        GrantCommand::Approve(args) => approve(&args, context),
        GrantCommand::Deny { request } => {
            let entered = context.enter(&[Role::Patient])?;
            own::request(&entered, request)?;
            let sent = revoke::deny(&entered.desk(), request)?;
            report(
                &context.output,
                "denied",
                &sent,
                &[("request", json!(request.to_string()))],
            )
        }
        GrantCommand::Revoke { grant } => {
            let entered = context.enter(&[Role::Patient])?;
            own::grant(&entered, grant)?;
            let sent = revoke::revoke(&entered.desk(), grant)?;
            report(
                &context.output,
                "revoked",
                &sent,
                &[("grant", json!(grant.to_string()))],
            )
        }
        GrantCommand::List { live } => list(live, context),
    }
}

fn approve(args: &ApproveArgs, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Patient])?;
    for event in round(&entered)? {
        context.output.talk(event.text);
    }
    let wallet = entered.wallet()?;
    let mut wish = match (request::wish_of(&wallet.desk, args.request)?, args.duration) {
        (Some(wish), _) => wish,
        // The letter is sealed to the patient; her delegate says what is granted.
        (None, Some(duration))
            if entered.session.identity.ward.is_some() && !args.classes.is_empty() =>
        {
            every_month(&args.classes, duration)
        }
        _ => return Err(no_wish(args.request)),
    };
    if !args.classes.is_empty() {
        if let Some(more) = args
            .classes
            .iter()
            .find(|class| !wish.classes.contains(class))
        {
            return Err(usage(format!("the request does not ask for {more}")));
        }
        wish.classes.retain(|class| args.classes.contains(class));
    }
    let sids = authorize::matching(&wallet, &wish)?;
    if sids.is_empty() {
        return Err(Fault::new(
            Exit::NotFound,
            "no accepted record of this patient is of the classes and months that are asked for",
        ));
    }
    let mut agents = args
        .agents
        .iter()
        .map(|typed| contact::resolve(&entered.session.vault, typed))
        .collect::<Result<Vec<AccountId>>>()?;
    agents.sort_unstable();
    agents.dedup();
    let now = system::now();
    let not_before = now.plus(args.after);
    let expires = args
        .duration
        .map_or(wish.until, |span| not_before.plus(span));
    let choice = Choice {
        sids,
        agents,
        not_before,
        expires,
        max_queries: args.max_queries,
        purpose: if args.emergency {
            GrantUse::Emergency
        } else {
            GrantUse::Ordinary
        },
    };
    let sent = authorize::authorize(&wallet, args.request, &choice, &mut OsRng)?;
    report(
        &context.output,
        "granted",
        &sent,
        &[
            ("grant", json!(sent.id.to_string())),
            ("scopes", json!(choice.sids.len())),
            ("expires", json!(choice.expires.to_string())),
            ("max_queries", json!(choice.max_queries)),
        ],
    )
}

/// What a delegate grants when the patient's letter is not there to say what was asked.
fn every_month(classes: &[Class], duration: u64) -> Wish {
    let mut classes = classes.to_vec();
    classes.sort_unstable();
    classes.dedup();
    let now = system::now();
    Wish {
        classes,
        from: Epoch(0),
        to: now.epoch(),
        records: Vec::new(),
        purpose: Purpose::PatientRequest,
        words: String::new(),
        until: now.plus(duration),
    }
}

fn list(live: bool, context: &Context) -> Result<()> {
    let account = context.open_home()?.facts.account;
    let now = system::now();
    let grants: Vec<Grant> = context
        .anonymous_node()?
        .grants_of(account)?
        .into_iter()
        .filter(|grant| !live || grant.is_live(now))
        .collect();
    context.output.rows("no grants", grants, |grant| {
        let status = if grant.revoked.is_some() {
            "revoked"
        } else if now >= grant.terms.expires {
            "expired"
        } else if now < grant.terms.not_before {
            "not yet"
        } else if grant.used >= grant.terms.max_queries {
            "used up"
        } else {
            "live   "
        };
        let mut value = show::json(grant);
        value["status"] = json!(status.trim());
        (
            value,
            format!(
                "{}  {status}  patient {}  to {}  {} scope(s)  {}/{} queries  until {}",
                grant.id,
                show::short(grant.patient),
                show::short(grant.requester),
                grant.terms.sids.len(),
                grant.used,
                grant.terms.max_queries,
                grant.terms.expires
            ),
        )
    })
}
