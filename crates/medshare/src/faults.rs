//! Errors of the crates below as exit codes and lines: one place for every conversion.

use share::{
    NodeError, VaultError,
    accept::AcceptError,
    account::AccountError,
    authorize::AuthorizeError,
    bag::{BagError, PhraseError, RestoreError},
    card::CardError,
    desk::{LookError, SendError},
    dispute::DisputeError,
    erase::EraseError,
    follow::FollowError,
    open::OpenError,
    outbox::OutboxError,
    part::PartError,
    post::PostError,
    prekey::PrekeyError,
    publish::PublishError,
    record::RecordError,
    recovery::{claim::ClaimError, guard::GuardError, keep::KeepError},
    reencrypt::{PacketError, ReencryptError},
    request::RequestError,
    review::ReviewError,
    revoke::TidyError,
    rotate::RotateError,
    seal::SealError,
    trust::TrustError,
    wallet::ExtractError,
};

use crate::exit::{Exit, Fault};

/// Whether something may succeed later: the reason lies with the node, the ledger or this
/// home's disk, and not with what was being looked at.
pub(crate) trait Waits {
    /// Says so; errors that wrap others answer as the wrapped one.
    fn waits(&self) -> bool;
}

/// `Error: wrapped variants; [pattern => exit] … waits [pattern] else exit`.
macro_rules! faults {
    ($($error:ident: $($inner:ident)*; $([$pattern:pat => $exit:ident])*
        $(waits [$waits:pat])? else $default:ident.)*) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                #[allow(unreachable_patterns)]
                let exit = match error {
                    $($error::$inner(inner) => return inner.into(),)*
                    $($pattern => Exit::$exit,)*
                    _ => Exit::$default,
                };
                Self::new(exit, error)
            }
        }

        impl Waits for $error {
            fn waits(&self) -> bool {
                #[allow(unreachable_patterns)]
                match self {
                    $($error::$inner(inner) => inner.waits(),)*
                    $($waits => true,)?
                    _ => false,
                }
            }
        }
    )*};
}

faults! {
    NodeError: ;
        [NodeError::Refused(_) => Refused]
        [NodeError::NotFound => NotFound]
        [NodeError::Missing(_) | NodeError::Damaged(_) | NodeError::BadAnswer(_) => Invalid]
        [NodeError::Busy(_) | NodeError::Unreachable(_) => Unreachable]
        [NodeError::Storage(_) | NodeError::Local(_) => Storage]
        waits [NodeError::Busy(_) | NodeError::Unreachable(_) | NodeError::Storage(_)
            | NodeError::Local(_) | NodeError::BadAnswer(_) | NodeError::Damaged(_)]
        else Internal.
    VaultError: ; [VaultError::Damaged { .. } => Home] waits [_] else Storage.
    SendError: Node Follow Vault; [SendError::Failed { .. } => Refused] else Invalid.
    LookError: Follow Node; [LookError::Unknown(..) => NotFound]
        waits [LookError::Unknown(..) | LookError::NotProven] else Invalid.
    FollowError: Node Vault; [FollowError::Stopped(_) => Forked]
        waits [FollowError::Stopped(_) | FollowError::NotCertified(_)
            | FollowError::WrongLeaves] else Invalid.
    CardError: Vault; else Invalid.
    PhraseError: ; else Passphrase.
    PrekeyError: Node Vault; [PrekeyError::NoneLeft { .. } => Pending] else Invalid.
    AccountError: Send Look Node Vault; else Invalid.
    PublishError: Seal Send Look Node Vault; [PublishError::NoCard(_) => NotFound] else Refused.
    SealError: Look Node; [SealError::NoRecordKey => Role] else Invalid.
    PartError: Look Node; [PartError::NoSuchPart(_) => NotFound] else Invalid.
    RecordError: ; [RecordError::Read(_) => Storage] else Invalid.
    ExtractError: Bag Node Vault;
        [ExtractError::NoKey(_) => NotFound]
        [ExtractError::Damaged => Home]
        else Role.
    BagError: Node Send Vault; else Invalid.
    RestoreError: Follow Look Node Vault; [RestoreError::NoBag => NotFound] else Invalid.
    AcceptError: Part Extract Send Node Vault;
        [AcceptError::NothingPending | AcceptError::NotMine => NotFound]
        [AcceptError::UnknownHospital(_) => Refused]
        else Invalid.
    RequestError: Send Look Node Vault; [RequestError::BadWish => Usage] else Invalid.
    AuthorizeError: Prekey Extract Bag Follow Send Look Node Vault;
        [AuthorizeError::Empty | AuthorizeError::Period => Usage]
        else Refused.
    OutboxError: Node Vault; else Storage.
    PacketError: Follow Look Node Vault; waits [PacketError::NoGrant] else Invalid.
    ReencryptError: Part Follow Send Look Node Vault;
        [ReencryptError::OtherCapsule => Invalid]
        else Refused.
    OpenError: Part Follow Look Node Vault;
        [OpenError::NotAccepted | OpenError::Distrusted(_) => Refused]
        [OpenError::NoKey | OpenError::NotAQuery => NotFound]
        else Invalid.
    ReviewError: Send; else Invalid.
    DisputeError: Packet Part Follow Send Look Node Vault;
        [DisputeError::NotMine => NotFound]
        [DisputeError::RotateFirst | DisputeError::NoOpening => Refused]
        else Invalid.
    RotateError: Accept Part Extract Send Look Node Vault; else Refused.
    EraseError: Bag Send Node Vault; else Invalid.
    TidyError: Follow Vault; else Storage.
    GuardError: Bag Send Look Node Vault;
        [GuardError::OtherPhrase => Passphrase]
        [GuardError::NotDistinct | GuardError::Threshold { .. } => Usage]
        else Invalid.
    KeepError: Follow Look Node Vault;
        [KeepError::NoShare(_) | KeepError::NoSuchCode => NotFound]
        [KeepError::NotThisShare => Invalid]
        else Refused.
    ClaimError: Follow Send Look Node Vault;
        [ClaimError::NotBegun | ClaimError::NoGuardians(_) => NotFound]
        [ClaimError::TooFew { .. } | ClaimError::NotLogged | ClaimError::NotDue(_) => Pending]
        [ClaimError::OtherAccount(_) | ClaimError::Objected(_) | ClaimError::Replaced(_)
            => Refused]
        else Invalid.
    PostError: Node Vault; else Invalid.
    TrustError: Node Vault; else Invalid.
}

impl From<Box<FollowError>> for Fault {
    fn from(error: Box<FollowError>) -> Self {
        (*error).into()
    }
}

impl Waits for Box<FollowError> {
    fn waits(&self) -> bool {
        (**self).waits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_reason_decides() {
        let boxed = |error: FollowError| PacketError::from(LookError::from(Box::new(error)));
        let away = || NodeError::Unreachable("gone".into());
        let cases = [
            (boxed(away().into()), true, Exit::Unreachable),
            (boxed(FollowError::WrongLeaves), true, Exit::Invalid),
            (LookError::NotProven.into(), true, Exit::Invalid),
            (
                LookError::Unknown("operation", String::new()).into(),
                true,
                Exit::NotFound,
            ),
            (PacketError::NoGrant, true, Exit::Invalid),
            (PacketError::OtherPacket, false, Exit::Invalid),
            (PacketError::NotForThisAgent, false, Exit::Invalid),
        ];
        for (error, waits, exit) in cases {
            assert_eq!(error.waits(), waits, "{error}");
            assert_eq!(Fault::from(error).exit, exit);
        }
        let fault = Fault::from(RotateError::Accept(AcceptError::NotMine));
        assert_eq!(fault.exit, Exit::NotFound);
    }
}
