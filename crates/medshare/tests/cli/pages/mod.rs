//! Pages as browsers see them: without one, by the bytes that come and go.

mod browser;
mod hostile;
mod kept;
mod patient;
mod speed;
mod story;

use std::path::Path;

use browser::EDGE;
pub(crate) use browser::{Came, Page};

fn sample() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/beispiel-mueller.fhir.json")
}
