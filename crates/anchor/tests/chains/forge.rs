//! A proof file in which anything was altered is refused, by us and by the independent
//! script, and both name the link.

use anchor::{
    AnchoredProof, Link, Record, RecordProof, Trust,
    ethereum::{EthereumTrust, Kind},
};
use ipld_core::ipld::Ipld;
use ledger::Validators;
use std::fs;

use crate::{
    anchoring::script,
    feed::{self, Fed},
    in_each_chain, records,
    rig::{Rig, step},
    rigs::InEthereum,
    world::{T0, World},
};

in_each_chain!(each_field_that_is_altered_breaks_a_link_that_is_named);

fn each_field_that_is_altered_breaks_a_link_that_is_named<R: Rig>() {
    let world = World::new();
    let rig = R::start(&world);
    let journal = world.journal("anchors.redb");
    let mut service = rig.service(&world, &journal, 0);
    world.grow(101);
    step(&world, &mut service, T0).unwrap();
    rig.settle(&world, &mut service, T0);
    let validators = Validators::of(&world.genesis);
    let genesis = world.write_genesis();
    let mut altered = 0;
    for certified in [false, true] {
        let proof = world.prove(R::CHAIN, &journal, 42, certified);
        let known = rig.known(&world, &proof);
        let trust = known.trust(&world, &validators);
        let bytes = proof.to_bytes();
        let whole: Ipld = serde_ipld_dagcbor::from_slice(&bytes).unwrap();
        let mut forgeries = Vec::new();
        forge(&whole, &mut Vec::new(), &mut |path, value| {
            // A list without entries has none to leave out.
            if value != Ipld::List(Vec::new()) || *at(&mut whole.clone(), &path) != value {
                forgeries.push((path, value));
            }
        });
        assert!(forgeries.len() > 29, "{}", forgeries.len());
        for (path, value) in forgeries {
            let mut file = whole.clone();
            *at(&mut file, &path) = value;
            let bytes = serde_ipld_dagcbor::to_vec(&file).unwrap();
            let verified = AnchoredProof::read(&bytes).and_then(|proof| proof.verify(&trust));
            let broken = verified.map(|_| ()).expect_err(&path.join("."));
            let links = links::<R>(&path);
            assert!(links.contains(&broken.link), "{}: {broken}", path.join("."));
            // The other implementation says the same.
            let name = world.folder.join("forged");
            fs::write(&name, &bytes).unwrap();
            let (accepted, said) = script(&name, &genesis, &known);
            assert!(!accepted, "{}: {said}", path.join("."));
            // It looks less deep into the ledger's own objects, and so may find the next link.
            let named = links
                .iter()
                .any(|link| said.contains(&format!("broken link: {link}:")));
            assert!(named, "{}: {broken}; the script: {said}", path.join("."));
            altered += 1;
        }
        // A round where nobody agreed in rounds; the script checks no such certificate.
        let Ipld::Map(mut rounded) = whole.clone() else {
            panic!()
        };
        rounded.insert("round".into(), Ipld::Integer(0));
        let rounded = serde_ipld_dagcbor::to_vec(&Ipld::Map(rounded)).unwrap();
        let verified = AnchoredProof::read(&rounded).and_then(|proof| proof.verify(&trust));
        let link = match certified {
            true => Link::Certificate,
            false => Link::Format,
        };
        assert_eq!(verified.map(|_| ()).unwrap_err().link, link);
        let name = world.folder.join("forged");
        for forged in [rounded.as_slice(), &[0x01], &[0x80], b"[]", b"{}", b""] {
            fs::write(&name, forged).unwrap();
            let (accepted, said) = script(&name, &genesis, &known);
            assert!(!accepted && said.contains("broken link: "), "{said}");
        }
        // A bit of every byte.
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1 << (at % 8);
            let verified = AnchoredProof::read(&forged).and_then(|proof| proof.verify(&trust));
            assert!(verified.is_err(), "byte {at} of {}", bytes.len());
        }
        for length in (0..bytes.len()).step_by(7) {
            assert!(AnchoredProof::read(&bytes[..length]).is_err());
        }
    }
    println!("{altered} forgeries");
}

#[test]
fn ethereum_refuses_each_altered_field_of_a_single_records_proof() {
    let world = World::new();
    let fed = Fed::start(Kind::Records(0), world.chain());
    let journal = world.journal("anchors.redb");
    let mut service = fed.service::<Record>(&journal, 0);
    world.grow(3);
    fed.settle(&mut service, &world.ledger);
    let proof = records::prove(&world, &fed, &journal, 1);
    let known = records::known(&world, &fed, &proof);
    let validators = Validators::of(&world.genesis);
    let trust = known.trust(&world, &validators);
    let genesis = world.write_genesis();
    let name = world.folder.join("forged");
    let bytes = proof.to_bytes();
    println!("proof of a single record: {} bytes", bytes.len());
    for whole in [bytes.clone(), proof.to_json().into_bytes()] {
        fs::write(&name, whole).unwrap();
        let (accepted, said) = script(&name, &genesis, &known);
        assert!(accepted && said.contains("\"index\": 1"), "{said}");
    }
    let whole: Ipld = serde_ipld_dagcbor::from_slice(&bytes).unwrap();
    let mut altered = 0;
    forge(&whole, &mut Vec::new(), &mut |path, value| {
        let mut file = whole.clone();
        *at(&mut file, &path) = value;
        let bytes = serde_ipld_dagcbor::to_vec(&file).unwrap();
        let verified = RecordProof::read(&bytes).and_then(|proof| proof.verify(&trust));
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let broken = verified.map(|_| ()).expect_err(&path.join("."));
        let links: &[Link] = match path.as_slice() {
            ["leaf", ..] => &[Link::Operation, Link::Event],
            ["index", ..] => &[Link::Event],
            ["anchor", _, field, ..] => InEthereum::links(field),
            _ => &[Link::Format],
        };
        assert!(links.contains(&broken.link), "{}: {broken}", path.join("."));
        fs::write(&name, &bytes).unwrap();
        let (accepted, said) = script(&name, &genesis, &known);
        let named = |link: &Link| said.contains(&format!("broken link: {link}:"));
        assert!(
            !accepted && links.iter().any(named),
            "{}: {said}",
            path.join(".")
        );
        altered += 1;
    });
    println!("{altered} forgeries");
    assert!(altered > 25, "{altered}");
    for at in 0..bytes.len() {
        let mut forged = bytes.clone();
        forged[at] ^= 1 << (at % 8);
        let verified = RecordProof::read(&forged).and_then(|proof| proof.verify(&trust));
        assert!(verified.is_err(), "byte {at} of {}", bytes.len());
    }
    // A true proof of another kind of event is none.
    let mut anchors = fed.settings.clone();
    anchors.contract = feed::contract(&fed.anvil, Kind::Anchors, world.chain()).contract;
    let others = EthereumTrust {
        contract: anchors.contract,
        ..known.ethereum.clone().unwrap()
    };
    let other = Trust {
        ethereum: Some(&others),
        ..trust.clone()
    };
    assert_eq!(proof.verify(&other).unwrap_err().link, Link::Trust);
}

/// Which links an altered field may break: its own, or the next that depends on it.
fn links<R: Rig>(path: &[String]) -> &'static [Link] {
    use Link::{Action, Block, Certificate, Event, Format, Inclusion, Operation, Output};
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    match names.as_slice() {
        ["v", ..] => &[Format],
        ["leaf", ..] => &[Operation, Inclusion],
        ["inclusion", ..] => &[Format, Inclusion],
        ["block", ..] => &[Block, Inclusion, Certificate, Event, Output, Action],
        ["certificate", ..] => &[Format, Certificate],
        ["anchor", _, field, ..] => R::links(field),
        _ => &[Format],
    }
}

/// Every value that is not a map, in several altered forms.
fn forge(value: &Ipld, path: &mut Vec<String>, found: &mut impl FnMut(Vec<String>, Ipld)) {
    match value {
        Ipld::Map(map) => {
            for (key, value) in map {
                path.push(key.clone());
                forge(value, path, found);
                path.pop();
            }
            let mut more = map.clone();
            more.insert("more".into(), Ipld::Null);
            found(path.clone(), Ipld::Map(more));
        }
        Ipld::List(list) => {
            for (index, value) in list.iter().enumerate() {
                path.push(index.to_string());
                forge(value, path, found);
                path.pop();
            }
            let short = &list[..list.len().saturating_sub(1)];
            found(path.clone(), Ipld::List(short.to_vec()));
            let node = Ipld::Bytes(vec![1; 32]);
            for more in [list.last().unwrap_or(&node), &node] {
                let longer = list.iter().chain([more]).cloned();
                found(path.clone(), Ipld::List(longer.collect()));
            }
        }
        Ipld::Integer(number) => {
            for other in [number + 1, number - 1, i128::from(u64::MAX)] {
                if other >= 0 && other != *number {
                    found(path.clone(), Ipld::Integer(other));
                }
            }
        }
        Ipld::Bytes(bytes) => {
            for at in [0, bytes.len() / 2] {
                let mut other = bytes.clone();
                other[at] ^= 0x10;
                found(path.clone(), Ipld::Bytes(other));
            }
            found(path.clone(), Ipld::Bytes(bytes[..bytes.len() - 1].to_vec()));
            found(path.clone(), Ipld::Bytes([bytes.as_slice(), &[0]].concat()));
            found(path.clone(), Ipld::Bytes(Vec::new()));
        }
        _ => found(path.clone(), Ipld::Bool(true)),
    }
}

fn at<'a>(value: &'a mut Ipld, path: &[String]) -> &'a mut Ipld {
    let Some((first, rest)) = path.split_first() else {
        return value;
    };
    match value {
        Ipld::Map(map) => at(map.get_mut(first).unwrap(), rest),
        Ipld::List(list) => at(&mut list[first.parse::<usize>().unwrap()], rest),
        _ => panic!(),
    }
}
