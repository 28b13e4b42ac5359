//! Everything of hers in one archive: her records as their original files, and who saw what.

use base::RecordId;
use ledger::Notice;
use serde_json::json;
use share::{
    open,
    part::OpenedPart,
    record::place,
    wallet::{KnownRecord, Wallet},
};
use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
};

use super::super::{
    site::{Asked, Reply},
    upload,
};
use crate::{
    cli::{context::Entered, show},
    exit::{Exit, Fault, Result},
    fhir,
};

/// The archive (POSIX ustar). Names in it are made of ids: nothing that somebody else wrote
/// is one.
pub(super) fn everything(entered: &Entered, asked: &Asked) -> Result<Reply> {
    let wallet = entered.wallet()?;
    let full = |error: io::Error| Fault::io("the archive", &error);
    let nameless = || upload::nameless(&asked.site);
    let mut archive = tar::Builder::new(nameless()?);
    let mut index = Vec::new();
    for (id, known) in wallet.records()? {
        let mut file = nameless()?;
        // One record that cannot be had now keeps nobody from the others.
        let told = match original(&wallet, id, &known, &mut file, &nameless) {
            Ok(end) => {
                let name = format!("records/{id}.{end}");
                append(&mut archive, &name, &mut file).map_err(full)?;
                json!({"file": name})
            }
            Err(fault) if fault.exit == Exit::Storage => return Err(fault),
            Err(fault) => json!({"missing": fault.message}),
        };
        index.push(json!({
            "record": id.to_string(),
            "hospital": known.hospital.to_string(),
            "logged": known.time.to_string(),
            "content": told,
        }));
    }
    let notices: Vec<Notice> = entered
        .node
        .list(&format!("/v1/accounts/{}/notices", wallet.patient))?;
    for (name, value) in [
        ("records.json", json!(index)),
        ("who-saw-what.json", show::json(&notices)),
    ] {
        let bytes = serde_json::to_vec_pretty(&value)
            .map_err(|error| Fault::new(Exit::Internal, error.to_string()))?;
        let mut header = header(bytes.len() as u64);
        archive
            .append_data(&mut header, name, bytes.as_slice())
            .map_err(full)?;
    }
    let mut file = archive.into_inner().map_err(full)?;
    let length = file.stream_position().map_err(full)?;
    file.seek(SeekFrom::Start(0)).map_err(full)?;
    Ok(Reply::Large {
        name: "my-records.tar".into(),
        file,
        length,
    })
}

/// Writes the original that a record's parts make up, each opened and checked; gives the
/// ending of its name.
fn original(
    wallet: &Wallet<'_>,
    id: RecordId,
    known: &KnownRecord,
    file: &mut File,
    nameless: &dyn Fn() -> Result<File>,
) -> Result<&'static str> {
    let storage = |error: io::Error| Fault::io("the archive", &error);
    for part in &known.parts {
        let mut content = nameless()?;
        let opened: OpenedPart = open::open_own(wallet, id, part.key.part, &mut content)?;
        content.seek(SeekFrom::Start(0)).map_err(storage)?;
        place(&mut content, &opened.layout, file)
            .map_err(|error| Fault::new(Exit::Invalid, error))?;
    }
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(storage)?;
    (&mut *file)
        .take(fhir::HEAD as u64)
        .read_to_end(&mut head)
        .map_err(storage)?;
    Ok(match fhir::Kind::of(&head) {
        fhir::Kind::Json => "json",
        fhir::Kind::Dicom => "dcm",
        fhir::Kind::Ccda => "xml",
        fhir::Kind::Hl7v2 => "hl7",
        fhir::Kind::Other => "bin",
    })
}

fn append(archive: &mut tar::Builder<File>, name: &str, file: &mut File) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let mut header = header(file.metadata()?.len());
    archive.append_data(&mut header, name, file)
}

/// An entry that its owner alone may read.
fn header(length: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(length);
    header.set_mode(0o600);
    header
}
