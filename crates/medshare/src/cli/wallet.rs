//! `medshare wallet`: the patient's own device.

use base::operation::Role;
use clap::Subcommand;
use qrcode::{EcLevel, QrCode, render::unicode};
use serde_json::json;
use share::card::Card;

use super::context::Context;
use crate::{
    exit::{Exit, Fault, Result},
    system::{self, OsRng},
};

/// Verbs of the wallet.
#[derive(Subcommand, Debug)]
pub enum WalletCommand {
    /// Show this patient's card to a hospital, face to face: text and QR code
    #[command(after_help = "\
Example:
  medshare wallet card --qr --home ~/wallet

Who holds the card can seal records to this patient and can tell the class of her scopes;
it opens nothing. It is good for ten minutes.")]
    Card {
        /// Draw the QR code as well
        #[arg(long)]
        qr: bool,
    },
}

/// Runs the verb.
///
/// # Errors
/// By the exit-code table.
pub fn run(command: WalletCommand, context: &Context) -> Result<()> {
    match command {
        WalletCommand::Card { qr } => card(qr, context),
    }
}

fn card(qr: bool, context: &Context) -> Result<()> {
    let home = context.open_home()?;
    home.require(&[Role::Patient])?;
    let keys = home.unlock(&context.passphrase.read()?)?;
    let session = home.enter(&keys, context.patience)?;
    let identity = &session.identity;
    let text = Card::show(
        &identity.party,
        identity.patient()?,
        system::now(),
        &mut OsRng,
    );
    context
        .output
        .data(&json!({"card": text.as_str()}), text.as_str())?;
    if qr {
        let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::L)
            .map_err(|error| Fault::new(Exit::Internal, format!("drawing the code: {error}")))?;
        context
            .output
            .talk(code.render::<unicode::Dense1x2>().quiet_zone(true).build());
    }
    Ok(())
}
