//! `medshare credit`: what sharing earned, and who is trusted.

use base::operation::{Redeem, Role, VoucherId};
use clap::Subcommand;
use ledger::{Balance, CreditEntry, Ranked, Totals, Voucher};
use serde_json::json;
use share::Node as _;

use super::{
    contact,
    context::Context,
    operation::{report, send},
    output::usage,
    show,
};
use crate::exit::{Exit, Fault, Result};

/// Verbs of credit.
#[derive(Subcommand, Debug)]
pub enum CreditCommand {
    /// Print an account's credits, vouchers and journal [default: this home's]
    #[command(after_help = "Example:\n  medshare credit balance --home ~/wallet")]
    Balance {
        /// The account's id
        account: Option<String>,
        /// Print every line of the journal
        #[arg(long)]
        journal: bool,
    },
    /// Print hospitals by decayed credit, with the reviews behind it
    Ranking,
    /// Give this account's voucher of a tier to a hospital
    #[command(after_help = "Example:\n  medshare credit redeem --tier 1 9b2e… --home ~/wallet")]
    Redeem {
        /// The hospital
        hospital: String,
        /// The voucher's tier
        #[arg(long)]
        tier: u8,
    },
}

/// Runs the verb.
///
/// # Errors
/// By the exit-code table.
pub fn run(command: CreditCommand, context: &Context) -> Result<()> {
    match command {
        CreditCommand::Balance { account, journal } => {
            balance(context, account.as_deref(), journal)
        }
        CreditCommand::Ranking => ranking(context),
        CreditCommand::Redeem { hospital, tier } => {
            let entered =
                context.enter(&[Role::Patient, Role::Hospital, Role::Agent, Role::Requester])?;
            let hospital = contact::resolve(&entered.session.vault, &hospital)?;
            let voucher = VoucherId {
                account: entered.session.identity.account(),
                tier,
            };
            let sent = send(&entered, Redeem { voucher, hospital })?;
            report(
                &context.output,
                "redeemed",
                &sent,
                &[
                    ("hospital", json!(hospital.to_string())),
                    ("tier", json!(tier)),
                ],
            )
        }
    }
}

fn balance(context: &Context, account: Option<&str>, journal: bool) -> Result<()> {
    let id = match account {
        Some(text) => text.parse().map_err(usage)?,
        None => context.open_home()?.facts.account,
    };
    let node = context.anonymous_node()?;
    if node.account(id)?.is_none() {
        return Err(Fault::new(
            Exit::NotFound,
            format!("the ledger has no account {id}; check the id, or let it register first"),
        ));
    }
    let balance: Balance = node.read(&format!("/v1/accounts/{id}/balance"))?;
    let vouchers: Vec<Voucher> = node.read(&format!("/v1/accounts/{id}/vouchers"))?;
    let open: Vec<String> = vouchers
        .iter()
        .filter(|voucher| voucher.redeemed.is_none())
        .map(|voucher| voucher.id.tier.to_string())
        .collect();
    let value = json!({
        "account": id.to_string(),
        "balance": balance.amount,
        "tier": balance.tier,
        "vouchers": show::json(&vouchers),
    });
    let text = format!(
        "account          {id}\nbalance          {}\ntier             {}\nopen vouchers    {}",
        balance.amount,
        balance.tier,
        if open.is_empty() {
            "none".into()
        } else {
            format!("tier {}", open.join(", "))
        },
    );
    context.output.data(&value, text)?;
    if !journal {
        return Ok(());
    }
    let mut from = 0;
    while from < balance.entries {
        let lines: Vec<CreditEntry> =
            node.read(&format!("/v1/accounts/{id}/journal?from={from}"))?;
        if lines.is_empty() {
            break;
        }
        from += lines.len() as u64;
        context.output.rows("", lines, |line| {
            let value = show::json(line);
            let reason = value["reason"].as_str().unwrap_or("").to_owned();
            (
                value,
                format!(
                    "{}  {:>+6} -> {:>6}  {reason:<17} {}",
                    line.time, line.amount, line.balance, line.cause
                ),
            )
        })?;
    }
    Ok(())
}

fn ranking(context: &Context) -> Result<()> {
    let node = context.anonymous_node()?;
    let ranking: Vec<Ranked> = node.read("/v1/ranking")?;
    context.output.rows(
        "no hospital has been reviewed yet",
        ranking.iter().enumerate(),
        |(at, ranked)| {
            let mut value = show::json(ranked);
            value["rank"] = json!(at + 1);
            let text = format!("{:>3}  {}", at + 1, line(&value));
            (value, text)
        },
    )?;
    let totals: Totals = node.read("/v1/totals")?;
    context.output.talk(format!(
        "minted {} in all, burnt {}",
        totals.minted, totals.burnt
    ));
    Ok(())
}

/// Every scalar of a ranked hospital on one line, the account first.
fn line(value: &serde_json::Value) -> String {
    let mut text = value["hospital"].as_str().unwrap_or("?").to_owned();
    if let Some(entries) = value.as_object() {
        for (key, value) in entries
            .iter()
            .filter(|(key, _)| *key != "hospital" && *key != "rank")
        {
            match value {
                serde_json::Value::Object(inner) => {
                    for (key, value) in inner {
                        text.push_str(&format!("  {} {value}", key.replace('_', " ")));
                    }
                }
                other => text.push_str(&format!("  {} {other}", key.replace('_', " "))),
            }
        }
    }
    text
}
