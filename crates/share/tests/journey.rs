//! The whole journey: sealed, published, accepted, asked, granted, re-encrypted, opened,
//! reviewed; on FHIR-like records of several parts and on binary files.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod world;

use base::{Class, operation::Verdict};
use share::record::{covers, place};
use std::io::Cursor;
use world::{BUNDLE, Cast, bundle, file, rng};

#[test]
fn a_bundle_goes_all_the_way() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&bundle());
    let classes = [Class::Laboratory, Class::Condition];
    let grant = cast.granted(&classes, &[&cast.agent, &cast.second_agent]);

    let mut texts = Vec::new();
    for (part, agent) in [(0, &cast.agent), (1, &cast.second_agent)] {
        let answer = cast.answered(grant, record, part, agent);
        let mut out = Vec::new();
        let opened = share::open::open(&world.desk(&cast.institute), &answer, &mut out).unwrap();
        assert_eq!((opened.record, opened.part), (record, part));
        assert_eq!(opened.content.class, classes[part as usize]);
        assert_eq!(opened.content.hospital(), cast.hospital.id());
        let mut slice = Vec::new();
        for &(offset, length) in opened.content.layout.ranges() {
            slice.extend_from_slice(&BUNDLE[offset as usize..(offset + length) as usize]);
        }
        assert_eq!(out, slice);
        texts.push(String::from_utf8(out).unwrap());
        share::review::review(
            &world.desk(&cast.institute),
            opened.query,
            Verdict::Accepted,
            None,
            &mut rng(),
        )
        .unwrap();
    }
    assert!(texts[0].contains("Hb") && texts[0].contains("CRP") && !texts[0].contains("anaemia"));
    assert!(texts[1].contains("anaemia"));

    // The first agent is the publishing hospital's: no credit. The second one's is another.
    let view = world.view();
    let balance = |id| view.balance(id).unwrap().amount;
    assert_eq!(balance(cast.patient.id()), 10);
    assert_eq!(balance(cast.hospital.id()), 5);
    assert_eq!(balance(cast.second_agent.id()), 1);
    assert_eq!(balance(cast.agent.id()), 0);

    // The patient opens every part herself; joined they are the source.
    let wallet = world.wallet(&cast.patient);
    let mut joined = Cursor::new(Vec::new());
    let mut layouts = Vec::new();
    for part in 0..4 {
        let mut out = Vec::new();
        let opened = share::open::open_own(&wallet, record, part, &mut out).unwrap();
        place(&mut out.as_slice(), &opened.layout, &mut joined).unwrap();
        layouts.push(opened.layout);
    }
    assert_eq!(joined.into_inner(), BUNDLE);
    assert_eq!(
        covers(&layouts.iter().collect::<Vec<_>>()),
        Some(BUNDLE.len() as u64)
    );
}

#[test]
fn binary_files_of_every_size_come_back() {
    let cast = Cast::new();
    let world = &cast.world;
    let noise: Vec<u8> = (0..2_600_000u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let sizes = [0, 1, 4_096, 1_048_560, 1_048_561, 2_600_000];
    let records: Vec<_> = sizes
        .iter()
        .map(|&size| cast.accepted(&file(&noise[..size], Class::Imaging)))
        .collect();
    let grant = cast.granted(&[Class::Imaging], &[&cast.agent]);
    for (record, size) in records.into_iter().zip(sizes) {
        let answer = cast.answered(grant, record, 0, &cast.agent);
        let mut out = Vec::new();
        let opened = share::open::open(&world.desk(&cast.institute), &answer, &mut out).unwrap();
        assert!(out == noise[..size], "{size}");
        assert_eq!(opened.content.length, size as u64);
    }
}

#[test]
fn a_record_is_updated() {
    let cast = Cast::new();
    let world = &cast.world;
    let record = cast.accepted(&file(b"first", Class::Document));
    let desk = world.desk(&cast.hospital);
    let updated = share::publish::update(
        &desk,
        record,
        &file(b"second", Class::Document),
        world.now(),
        &mut rng(),
    )
    .unwrap();
    let again = share::publish::update(
        &desk,
        record,
        &file(b"third", Class::Document),
        world.now(),
        &mut rng(),
    );
    assert!(
        matches!(again, Err(share::publish::PublishError::Pending)),
        "{:?}",
        again.err()
    );
    let wallet = world.wallet(&cast.patient);
    let before = desk.record(record).unwrap().accepted;
    share::accept::accept(&wallet, record, &mut rng()).unwrap();
    let mut out = Vec::new();
    let opened = share::open::open_own(&wallet, record, 0, &mut out).unwrap();
    assert_eq!(out, b"second");
    assert_eq!(opened.manifest.previous, before);
    assert_eq!(desk.record(record).unwrap().accepted, Some(updated.state));
}
