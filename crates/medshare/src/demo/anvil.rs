//! A node of Ethereum for tests, if one is installed: anvil.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use super::{foreign, stage::Stage};
use crate::exit::{Exit, Fault, Result};

/// A running anvil; it ends with the stage.
#[derive(Debug)]
pub(super) struct Anvil {
    url: String,
}

impl Anvil {
    /// Starts it on a free port, with a block a second.
    ///
    /// # Errors
    /// [`Exit::NotFound`] when there is none, [`Exit::Unreachable`] when it does not start.
    pub(super) fn start(stage: &Stage) -> Result<Self> {
        let log = stage.side_socket("anvil.log");
        let file = fs::File::create(&log).map_err(|error| Fault::io(log.display(), &error))?;
        let running = foreign::start(stage, "anvil", VARIABLE, |command| {
            command
                .args(["--port", "0", "--block-time", "1"])
                .stdout(file);
        })?;
        let started = Instant::now();
        loop {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let address = said
                .lines()
                .find_map(|line| line.strip_prefix("Listening on "));
            if let Some(address) = address.filter(|_| said.ends_with('\n')) {
                let url = format!("http://{}", address.trim());
                return Ok(Self { url });
            }
            if !running.is_alive() || started.elapsed() > START {
                return Err(Fault::new(Exit::Unreachable, "anvil did not start"));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where it answers.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The key of the first account that every anvil gives coins to: the test phrase's, which
    /// everybody knows.
    #[expect(clippy::unused_self, reason = "it is this node that gives it coins")]
    pub(super) fn key(&self) -> &'static str {
        "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    }
}

const VARIABLE: &str = "MEDSHARE_ANVIL";
const START: Duration = Duration::from_secs(30);
