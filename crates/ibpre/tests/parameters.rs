//! Test 20: what the documents say of the parameters is what the kept output of the estimator says, and
//! the widths of the hint budget follow from their formula.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::fs;

use ibpre::{ParameterSet, SetA, SetB};

fn document(name: &str) -> String {
    fs::read_to_string(format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Name → "classical/quantum" of every figure in the kept output.
fn estimates() -> BTreeMap<String, String> {
    document("estimates.txt")
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(" | ").collect();
            Some(((*fields.first()?).to_owned(), (*fields.get(2)?).to_owned()))
        })
        .collect()
}

#[test]
fn the_table_says_what_the_estimator_said() {
    let estimates = estimates();
    let scheme = document("scheme.md");
    let row = |start: &str| {
        let line = scheme.lines().find(|line| line.starts_with(start));
        let cells: Vec<String> = line
            .unwrap()
            .split('|')
            .map(|c| c.replace(' ', ""))
            .collect();
        [cells[2].clone(), cells[3].clone()]
    };
    for (start, figures) in [
        (
            "| ring-LWE of a capsule",
            ["capsule, ring-LWE", "capsule, least of these"],
        ),
        ("| NTRU key", ["NTRU key, Falcon's formula"; 2]),
        (
            "| a key that still decrypts",
            ["any key that still decrypts"; 2],
        ),
        ("| a forged key that", ["forged user key"; 2]),
        (
            "| scope key after",
            ["scope key after W = 2^15, reduction"; 2],
        ),
    ] {
        for (cell, set) in row(start).iter().zip(["A", "B"]) {
            for figure in figures {
                let name = format!("{set}: {figure}");
                // Widths and losses follow in some names.
                let (_, bits) = estimates
                    .iter()
                    .find(|(full, _)| **full == name || full.starts_with(&format!("{name},")))
                    .unwrap();
                assert!(
                    cell.contains(bits.as_str()),
                    "{start}: {cell}, not {name} {bits}"
                );
            }
        }
    }
    assert!(document("estimates.txt").ends_with("what is quoted: none\n"));
}

/// σ_0 and loss of the reduction (`docs/parameters.md`, 3), and the lines that quote them.
#[test]
fn widths_of_the_hint_budget_follow_from_the_formula() {
    fn check<P: ParameterSet>(w: i32) {
        let n = P::N as f64;
        let hints = 2f64.powi(w) * n * (170.0 / 256.0) / f64::from(P::SIGMA_NOISE).powi(2);
        let width = (2.0 * (P::SIGMA_E.powi(-2) + hints)).sqrt().recip();
        let loss = 1.0 + (4.0 * n).log2() - (PI * width).powi(2) / 2f64.ln();
        let set = P::NAME;
        let name = format!(
            "{set}: scope key after W = 2^{w}, reduction, sigma {width:.3}, loss 2^{loss:.1}"
        );
        let bits = estimates()[&name].replace('/', " / ");
        let line = format!("| {set} | 2^{w} | {width:.3} | 2^−{:.1} | {bits} |", -loss);
        assert!(document("parameters.md").contains(&line), "{line}");
    }
    check::<SetA>(15);
    check::<SetA>(17);
    check::<SetB>(15);
    check::<SetB>(18);
}

/// The bound of step 4: with what probability a grant of N capsules exceeds (√N + 8.6)².
#[test]
fn the_budget_covers_the_spectrum_of_hints() {
    let roots: f64 = 1024.0; // n/2 of set B, pairs of conjugates once
    let worst = [1, 2, 5, 10, 100, 1000, 10_000, 29_728]
        .map(|capsules| {
            let n = f64::from(capsules);
            let bound = (n.sqrt() + 8.6).powi(2);
            let best = (1..100)
                .map(|i| f64::from(i) / 100.0)
                .map(|d: f64| {
                    let net = 2.0 / (1.0 - (d / 2.0).cos());
                    let t = bound * (d / 2.0).cos().powi(2);
                    let tail = if t > n { t - n - n * (t / n).ln() } else { 0.0 };
                    tail / 2f64.ln() - net.log2()
                })
                .fold(0.0, f64::max);
            best - roots.log2() - 10.0 // 1024 grants
        })
        .into_iter()
        .fold(f64::INFINITY, f64::min);
    assert!(worst > 95.0, "2^-{worst}");
}
