//! A patient's card: for how long it may be read, and who has one.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::Digest;
use share::card::{self, Card, CardError};
use world::{Cast, rng};

const VALID: u64 = 600_000;

#[test]
fn a_card_is_good_for_ten_minutes_by_either_clock() {
    let cast = Cast::new();
    let patient = &cast.patient;
    let secrets = patient.secrets.as_ref().unwrap();
    let shown = cast.world.now();
    let text = Card::show(&patient.party, secrets, shown, &mut rng());
    let pkh = Digest(*secrets.master.public_params().pkh());
    let key = patient.party.operation.public();
    let read = |now| {
        let card = Card::read(&text).unwrap();
        card.verify(cast.world.chain(), &key, pkh, now).map(drop)
    };
    for now in [shown, shown.plus(VALID), shown.minus(VALID)] {
        assert_eq!(read(now), Ok(()), "{now}");
    }
    for now in [shown.plus(VALID + 1), shown.minus(VALID + 1)] {
        assert_eq!(read(now), Err(CardError::Expired { shown }), "{now}");
    }
}

#[test]
fn a_hospital_knows_whose_cards_it_has() {
    let cast = Cast::new();
    let mut patients = [cast.patient.id(), cast.stranger.id()];
    patients.sort_unstable();
    assert_eq!(card::patients(&cast.hospital.vault).unwrap(), patients);
    assert_eq!(card::patients(&cast.other_hospital.vault).unwrap(), []);
}
