//! How a wallet rejects a state: with which code for what is wrong with it, and not at all
//! where nothing is.
#![allow(clippy::unwrap_used)]

use base::{AccountId, UnknownVersion, operation::RejectCode};
use share::{
    LookError, NodeError, accept::AcceptError, body::OpenBodyError, manifest::ManifestError,
    part::PartError, sealed::SealedError,
};
use std::io;

#[test]
fn each_error_has_its_code() {
    let full = || io::Error::from(io::ErrorKind::StorageFull);
    let newer = UnknownVersion { found: 9, known: 1 };
    let nothing_wrong = [
        AcceptError::NotMine,
        AcceptError::NothingPending,
        AcceptError::Node(NodeError::NotFound),
        // The ledger is not what it says, or this side's disk is full.
        PartError::from(LookError::NotProven).into(),
        PartError::from(OpenBodyError::Sink(full())).into(),
        // A newer program may well accept it.
        PartError::from(SealedError::Version(newer)).into(),
        PartError::from(SealedError::Suite(7)).into(),
        PartError::from(ManifestError::Version(newer)).into(),
    ];
    for error in nothing_wrong {
        assert_eq!(error.code(), None, "{error}");
    }
    let somebody = AccountId([1; 32]);
    let wrong: [(AcceptError, RejectCode); 10] = [
        (
            AcceptError::UnknownHospital(somebody),
            RejectCode::UnknownHospital,
        ),
        (
            AcceptError::SensitiveTooWide { part: 1 },
            RejectCode::WrongScope,
        ),
        (
            PartError::from(NodeError::NotFound).into(),
            RejectCode::Unavailable,
        ),
        (
            PartError::from(LookError::Node(NodeError::NotFound)).into(),
            RejectCode::Unavailable,
        ),
        (
            PartError::from(OpenBodyError::Source(full())).into(),
            RejectCode::Unavailable,
        ),
        (PartError::NoSuchPart(3).into(), RejectCode::Invalid),
        (
            PartError::from(SealedError::Key).into(),
            RejectCode::Invalid,
        ),
        (
            PartError::from(ManifestError::BadSignature).into(),
            RejectCode::Invalid,
        ),
        (
            PartError::from(OpenBodyError::TooLong).into(),
            RejectCode::Invalid,
        ),
        (AcceptError::Retired { part: 1 }, RejectCode::Invalid),
    ];
    for (error, code) in wrong {
        assert_eq!(error.code(), Some(code), "{error}");
    }
}
