//! Honest records of every format, spoilt at random: whatever is left of them becomes a page.

use pages::Language;

use crate::{
    hostile::{BUNDLE, CDA, HL7},
    reading::{EXPLICIT, GREY, dicom, shown},
};

#[test]
fn whatever_is_left_becomes_a_page() {
    let rle = dicom("1.2.840.10008.1.2.5\0", GREY, &[0; 80]);
    let seeds: [Vec<u8>; 5] = [
        BUNDLE.replace('@', "2020").into_bytes(),
        CDA.replace('@', "text &amp; <content styleCode=\"Bold\">more</content>")
            .into_bytes(),
        HL7.replace('@', "20200101").into_bytes(),
        dicom(EXPLICIT, GREY, &[9; 16]),
        rle,
    ];
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for round in 0..3_000 {
        let seed = &seeds[round % seeds.len()];
        let mut spoilt = seed.clone();
        for _ in 0..=dice.below(6) {
            spoil(&mut spoilt, &mut dice);
        }
        let language = Language::ALL[round % 2];
        let _ = shown(&spoilt, language);
    }
}

/// One change: a byte, a cut, a copy of a run elsewhere, a run left out.
fn spoil(bytes: &mut Vec<u8>, dice: &mut Dice) {
    if bytes.is_empty() {
        return;
    }
    let at = dice.below(bytes.len());
    let end = (at + 1 + dice.below(40)).min(bytes.len());
    match dice.below(5) {
        0 => bytes[at] = dice.below(256) as u8,
        1 => bytes[at] ^= 1 << dice.below(8),
        2 => bytes.truncate(at),
        3 => {
            let run = bytes[at..end].to_vec();
            let to = dice.below(bytes.len());
            bytes.splice(to..to, run);
        }
        _ => drop(bytes.drain(at..end)),
    }
}

/// A xorshift: the same changes in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
