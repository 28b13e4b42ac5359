//! Break the glass: a hospital declares an emergency; grants that were made for it open
//! for 24 hours.
//!
//! Source: protocol page, "Sharing", row "emergency". Loud: the patient is notified.

use base::{
    AccountId,
    operation::{Emergency, EmergencyCode},
};

use crate::desk::{Desk, SendError, Sent};

/// Declares an emergency of this hospital for `patient`.
///
/// # Errors
/// [`SendError`].
pub fn emergency(
    desk: &Desk<'_>,
    patient: AccountId,
    code: EmergencyCode,
) -> Result<Sent, SendError> {
    desk.send(Emergency { patient, code })
}
