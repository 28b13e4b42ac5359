//! The numbers and plots of `docs/attacks.md`, from the same functions that the tests call.
//!
//! `cargo run --release -p ibpre --example attacks [FOLDER]` prints the numbers and writes the plots
//! (to `docs/plots` of the repository if no folder is named). Seeds are fixed: the plots come out the
//! same. Some minutes.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../tests/attacks/affine.rs"]
mod affine;
#[path = "../../tests/attacks/chain.rs"]
mod chain;
#[path = "../../tests/attacks/lattice.rs"]
mod lattice;
#[path = "../../tests/attacks/malicious.rs"]
mod malicious;
mod plot;
#[path = "../../tests/attacks/ring.rs"]
mod ring;
#[path = "../../src/test_rng.rs"]
mod test_rng;
#[path = "../../tests/attacks/transcripts.rs"]
mod transcripts;
#[path = "../../tests/attacks/world.rs"]
mod world;

use std::path::PathBuf;

use ibpre::literal::{Parameters, SMALL, TOY};
use ibpre::{ParameterSet, SetA};
use plot::{Axis, Chart, Mark, Series};
use transcripts::Turned;

fn main() {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::args()
        .nth(1)
        .map_or(here.join("../../docs/plots"), PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    for (name, chart) in [
        ("attacks-affine.svg", affine_identities()),
        ("attacks-transcripts.svg", re_encryption_transcripts()),
        ("attacks-made-to-measure.svg", capsules_made_to_measure()),
        ("attacks-replay.svg", replay()),
    ] {
        std::fs::write(folder.join(name), chart.svg()).unwrap();
    }
    delegation_chain();
}

fn series(name: impl Into<String>, hue: usize, mark: Mark, points: Vec<(f64, f64)>) -> Series {
    Series {
        name: name.into(),
        hue,
        mark,
        points,
    }
}

fn affine_identities() -> Chart {
    println!("== affine identities");
    for (name, parameters) in [("toy", TOY), ("small", SMALL)] {
        let forged = affine::chosen(parameters);
        println!(
            "published, {name}: 3 colluders with chosen identities decrypt {} of {} bits of the victim; \
             their key is {:.2} times as long as hers",
            forged.bits,
            affine::BITS,
            forged.stretch
        );
    }
    let product = affine::product();
    println!(
        "product: noise under the same sum of keys {:.0}, under the right key {:.0}; accepted: {}",
        product.noise[0], product.noise[1], product.accepted
    );
    const TRIALS: u32 = 20;
    let lines = [8usize, 16, 24].iter().enumerate().map(|(hue, &bits)| {
        let parameters = Parameters {
            identity_bits: bits,
            ..TOY
        };
        let points = (bits / 2..=bits + 12).step_by(2).map(|colluders| {
            let (opened, length) = affine::random(parameters, colluders, TRIALS);
            println!(
                "published, identities of {bits} bits: {colluders} random colluders open {opened} of \
                 {TRIALS} victims, mean length of the combination {length:.1}"
            );
            (colluders as f64, 100.0 * f64::from(opened) / f64::from(TRIALS))
        });
        series(format!("identities of {bits} bits"), hue, Mark::Joined, points.collect())
    });
    Chart {
        title: "Published scheme: victims that random colluders open",
        x: Axis::linear("colluders", 0.0, 40.0, 4.0),
        y: Axis::linear("% of victims", 0.0, 100.0, 20.0),
        series: lines.collect(),
        limit: None,
    }
}

fn re_encryption_transcripts() -> Chart {
    println!("\n== transcripts");
    for (name, parameters) in [("toy", TOY), ("small", SMALL)] {
        let solved = transcripts::published(parameters);
        println!(
            "published, {name} (n = {}, m = {}): rk exact after {} re-encrypted bits: {}; {} of {} bits of \
             the delegator decrypted",
            parameters.n,
            parameters.m(),
            solved.free.len() - 1,
            solved.exact,
            solved.bits,
            affine::BITS
        );
    }
    let (fallen, rounded) = transcripts::without_noise();
    println!("ring without noise or rounding: scope falls after one capsule: {fallen}");
    println!(
        "ring without noise, rounded: {:.2} % of rk exact by division",
        100.0 * rounded
    );
    let (exact, fallen) = transcripts::product_divided();
    println!(
        "product: {:.2} % of rk exact by division; scope falls: {fallen}",
        100.0 * exact
    );
    let measure = |name: &str, turned: Turned, counts: &[u32]| -> Vec<(f64, f64)> {
        let point = |&count: &u32| {
            let estimate = transcripts::least_squares(count, turned);
            println!(
                "{name}, {count} capsules: error {:.2}, computed {:.2}, ratio {:.3}; {:.2} % exact",
                estimate.measured,
                estimate.formula,
                estimate.measured / estimate.formula,
                100.0 * estimate.exact
            );
            (f64::from(count), estimate.measured)
        };
        counts.iter().map(point).collect()
    };
    let counts = [1, 4, 16, 64, 256, 1024, 2048, 8192, 29_728];
    let product = measure("product", Turned::ByProduct, &counts);
    let unrounded = measure("noise, unrounded", Turned::WithNoise, &[256, 2048]);
    let rounded = measure("rounded only", Turned::Rounded, &counts[..7]);
    assert_eq!(unrounded.len(), 2);
    let computed = |turned: Turned| -> Vec<(f64, f64)> {
        let energy = 2.0 * 1024.0 * 170.0 / 256.0; // E‖(r, x)‖² of one capsule
        let at = |count: f64| {
            let hints = count * energy / 2.0 / turned.variance();
            (count, 1.0 / (SetA::SIGMA_E.powi(-2) + hints).sqrt())
        };
        (0..=40)
            .map(|i| at(2f64.powf(f64::from(i) * 0.4)))
            .collect()
    };
    Chart {
        title: "Error on the scope's key after honest transcripts, by least squares",
        x: Axis::powers("re-encrypted capsules seen", 2, 0, 16, 2),
        y: Axis::powers("standard deviation of a coefficient", 10, -1, 4, 1),
        series: vec![
            series("product, measured", 0, Mark::Dots, product),
            series(
                "product, computed",
                0,
                Mark::Line,
                computed(Turned::ByProduct),
            ),
            series("rounding only, measured", 1, Mark::Dots, rounded),
            series(
                "rounding only, computed",
                1,
                Mark::Line,
                computed(Turned::Rounded),
            ),
        ],
        limit: Some((29_728.0, "end of the hint budget")),
    }
}

fn capsules_made_to_measure() -> Chart {
    println!("\n== capsules made to measure");
    let mut lines = Vec::new();
    for (hue, name, (progress, fallen)) in [
        (1, "weakened proxy", malicious::made_to_measure()),
        (
            3,
            "product's proxy, acceptance skipped",
            malicious::acceptance_skipped(),
        ),
    ] {
        // Before any answer: rk is the difference of two keys.
        let mut points = vec![(0.0, SetA::SIGMA_E * 2f64.sqrt())];
        for (count, step) in progress.iter().enumerate() {
            println!(
                "{name}: y = {}: error {:.3}, {:.2} % of rk exact",
                step.factor,
                step.error,
                100.0 * step.exact
            );
            points.push(((count + 1) as f64, step.error));
        }
        println!("{name}: scope falls: {fallen}");
        lines.push(series(name, hue, Mark::Joined, points));
    }
    let accepted = malicious::accepted_by_the_product();
    println!(
        "product: the delegator's wallet accepts {accepted} of {}",
        malicious::FACTORS.len()
    );
    let unknown = SetA::SIGMA_E * 2f64.sqrt();
    let flat = vec![(0.0, unknown), (7.0, unknown)];
    lines.push(series("product: none is accepted", 0, Mark::Line, flat));
    Chart {
        title: "Error on rk after answers to capsules y = constant",
        x: Axis::linear("answers", 0.0, 7.0, 1.0),
        y: Axis::powers("standard deviation of a coefficient", 10, -2, 4, 1),
        series: lines,
        limit: None,
    }
}

fn replay() -> Chart {
    println!("\n== replay");
    let counts: Vec<u32> = (0..=7).map(|i| 1 << (2 * i)).collect();
    let [mut weak, mut product] = [Vec::new(), Vec::new()];
    for &count in &counts {
        let [fresh, same] = malicious::replayed(count);
        println!("{count} replays: noise left {fresh:.1} if fresh, {same:.0} in the product");
        weak.push((f64::from(count), fresh));
        product.push((f64::from(count), same));
    }
    let [weak_falls, product_falls] = malicious::replayed_long_enough();
    println!(
        "after 2^{} replays the scope falls: weakened proxy {weak_falls}, product {product_falls}",
        malicious::ENOUGH
    );
    let width = f64::from(SetA::SIGMA_NOISE);
    let line = [0, malicious::ENOUGH as i32]
        .map(|e| (2f64.powi(e), width / 2f64.powi(e).sqrt()))
        .to_vec();
    let flat = vec![
        (1.0, product[0].1),
        (2f64.powi(malicious::ENOUGH as i32), product[0].1),
    ];
    Chart {
        title: "Noise left in the mean of replayed answers",
        x: Axis::powers("replays of one capsule", 2, 0, 36, 4),
        y: Axis::powers("standard deviation", 10, -2, 5, 1),
        series: vec![
            series("fresh noise, measured", 1, Mark::Dots, weak),
            series("fresh noise, 16384/√replays", 1, Mark::Line, line),
            series("product, measured", 0, Mark::Dots, product),
            series(
                "product: a function of grant and capsule",
                0,
                Mark::Line,
                flat,
            ),
        ],
        limit: None,
    }
}

fn delegation_chain() {
    println!("\n== delegation chain");
    let (keys, bits) = chain::published(TOY);
    println!(
        "published: proxy and the last of {} users have {keys} keys exactly; {bits} of {} bits of the first \
         user decrypted",
        chain::USERS,
        affine::BITS
    );
    let fallen = chain::product();
    println!(
        "product: of {} scopes along the chain {} fall: the one granted to the user who talks",
        fallen.len(),
        fallen.iter().filter(|fallen| **fallen).count()
    );
    for grants in [1, 16, 94, 355, 1024] {
        let [measured, computed] = chain::many_grants(grants);
        println!(
            "proxy alone, {grants} grants of one scope key: error {measured:.1}, computed {computed:.1}"
        );
    }
}
