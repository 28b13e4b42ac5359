//! A file with all its mutants in it, each behind a switch.

use std::{cmp::Reverse, collections::BTreeMap, ops::Range};

use super::{list::Mutant, spots::Spot};

/// The module that says which mutant is on.
pub(super) const SWITCH: &str = include_str!("switch.rs");
pub(super) const MODULE: &str = "mutant_switch";

/// The text, and where in it which mutants are to blame for what the compiler finds.
#[derive(Default)]
pub(super) struct Switched {
    pub(super) text: String,
    pub(super) places: Vec<Place>,
}

pub(super) struct Place {
    pub(super) range: Range<usize>,
    pub(super) numbers: Vec<usize>,
}

/// Everything that happens at one range of the source.
#[derive(Default)]
struct Site {
    /// Values returned at once.
    values: Vec<(usize, String)>,
    /// Other texts for an expression.
    variants: Vec<(usize, String)>,
    /// The arm with this guard is passed over.
    guarded: Option<usize>,
    /// The arm whose pattern ends here is passed over.
    arm: Option<usize>,
}

/// What is inside comes after what is around it; what is inserted comes before what begins
/// there.
type Order = (usize, bool, Reverse<usize>);

/// Puts the mutants into the file. Only one is ever on, so that the variants are of the
/// source as it is.
pub(super) fn switched(source: &str, mutants: &[(&Mutant, &Spot)]) -> Switched {
    let mut sites: BTreeMap<Order, Site> = BTreeMap::new();
    let order = |range: &Range<usize>| (range.start, !range.is_empty(), Reverse(range.end));
    for (mutant, spot) in mutants {
        let range = match spot {
            Spot::Expression { range, .. } | Spot::Guarded(range) => range.clone(),
            Spot::Body(at) | Spot::Arm(at) => *at..*at,
            Spot::Fixed => continue,
        };
        let site = sites.entry(order(&range)).or_default();
        match spot {
            Spot::Body(_) => site
                .values
                .push((mutant.number, mutant.replacement.clone())),
            Spot::Expression { text, .. } => site.variants.push((mutant.number, text.clone())),
            Spot::Guarded(_) => site.guarded = Some(mutant.number),
            Spot::Arm(_) => site.arm = Some(mutant.number),
            Spot::Fixed => {}
        }
    }
    let sites: Vec<(Range<usize>, Site)> = sites
        .into_iter()
        .map(|((start, _, Reverse(end)), site)| (start..end, site))
        .collect();
    let mut out = Switched::default();
    out.copy(source, 0..source.len(), &sites);
    out
}

impl Switched {
    /// The source in this range, with its sites.
    fn copy(&mut self, source: &str, range: Range<usize>, sites: &[(Range<usize>, Site)]) {
        let (mut at, mut rest) = (range.start, sites);
        while let Some(((here, site), after)) = rest.split_first() {
            self.text.push_str(&source[at..here.start]);
            let inside = after.partition_point(|(range, _)| range.start < here.end);
            let (inside, after) = after.split_at(inside);
            let start = self.text.len();
            self.site(source, here.clone(), site, inside);
            self.places.push(Place {
                range: start..self.text.len(),
                numbers: site.numbers(),
            });
            (at, rest) = (here.end, after);
        }
        self.text.push_str(&source[at..range.end]);
    }

    fn site(
        &mut self,
        source: &str,
        range: Range<usize>,
        site: &Site,
        inside: &[(Range<usize>, Site)],
    ) {
        for (number, value) in &site.values {
            self.of(
                *number,
                &format!(" if {} {{ return {value}; }}", is_on(*number)),
            );
        }
        if let Some(number) = site.arm {
            self.of(number, &format!(" if !{}", is_on(number)));
        }
        if let Some(number) = site.guarded {
            self.of(number, &format!("!{} && ", is_on(number)));
        }
        if range.is_empty() {
            return;
        }
        self.text.push('(');
        for (number, text) in &site.variants {
            self.of(
                *number,
                &format!("if {} {{ {text} }} else ", is_on(*number)),
            );
        }
        let (open, close) = match site.variants.is_empty() {
            true => ("", ")"),
            false => ("{ ", " })"),
        };
        self.text.push_str(open);
        self.copy(source, range, inside);
        self.text.push_str(close);
    }

    /// Text of one mutant alone.
    fn of(&mut self, number: usize, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.places.push(Place {
            range: start..self.text.len(),
            numbers: vec![number],
        });
    }

    /// Who is to blame for a fault that the compiler shows at these ranges: the mutants of
    /// the smallest place around one of them, else all that are inside of one.
    pub(super) fn blamed(&self, shown: &[Range<usize>]) -> Vec<usize> {
        let is_in = |inner: &Range<usize>, outer: &Range<usize>| {
            outer.start <= inner.start && inner.end <= outer.end
        };
        let around = |range| {
            let places = self
                .places
                .iter()
                .filter(move |place| is_in(range, &place.range));
            places.min_by_key(|place| place.range.len())
        };
        // A place of one mutant alone says more than that of all variants of an expression.
        let found = shown.iter().filter_map(around);
        if let Some(place) = found.min_by_key(|place| place.numbers.len()) {
            return place.numbers.clone();
        }
        let inside = |place: &&Place| shown.iter().any(|range| is_in(&place.range, range));
        let inside = self.places.iter().filter(inside);
        inside.flat_map(|place| place.numbers.clone()).collect()
    }
}

impl Site {
    fn numbers(&self) -> Vec<usize> {
        let texts = self.values.iter().chain(&self.variants);
        let arms = self.guarded.into_iter().chain(self.arm);
        texts.map(|(number, _)| *number).chain(arms).collect()
    }
}

fn is_on(number: usize) -> String {
    format!("crate::{MODULE}::on({number})")
}

/// The source with several mutants applied, of which no two overlap; and where they are.
pub(super) fn applied(source: &str, mutants: &[&Mutant]) -> Switched {
    let mut sorted = mutants.to_vec();
    sorted.sort_by_key(|mutant| mutant.range.start);
    let mut out = Switched::default();
    let mut at = 0;
    for mutant in sorted {
        out.text.push_str(&source[at..mutant.range.start]);
        out.of(mutant.number, &mutant.replacement);
        at = mutant.range.end;
    }
    out.text.push_str(&source[at..]);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::{
        super::{
            list::{Genre::*, tests::mutants},
            spots,
        },
        *,
    };

    /// What comes out, with `on(N)` for the question.
    fn rewritten(source: &str, wanted: &[(super::super::list::Genre, &str, &str)]) -> String {
        let mutants = mutants(source, wanted);
        let mutants: Vec<&Mutant> = mutants.iter().collect();
        let (spots, _) = spots::find(source, &mutants).unwrap();
        let pairs: Vec<(&Mutant, &Spot)> = mutants.into_iter().zip(&spots).collect();
        let text = switched(source, &pairs).text;
        assert!(syn::parse_file(&text).is_ok(), "{text}");
        text.replace("crate::mutant_switch::on", "on")
    }

    #[test]
    fn values_and_operators() {
        let source = "fn f(a: u8) -> bool { a == 1 && !(a > 2) }";
        let wanted = [
            (FnValue, "a == 1 && !(a > 2)", "true"),
            (BinaryOperator, "==", "!="),
            (BinaryOperator, "> 2", "< 2"),
            (BinaryOperator, "> 2", ">= 2"),
            (UnaryOperator, "!", ""),
        ];
        assert_eq!(
            rewritten(source, &wanted),
            "fn f(a: u8) -> bool { if on(1) { return true; } \
             (if on(2) { a != 1 } else { a == 1 }) && \
             (if on(5) { (a > 2) } else { \
             !((if on(3) { a < 2 } else if on(4) { a >= 2 } else { a > 2 })) }) }"
        );
    }

    #[test]
    fn an_operator_that_binds_otherwise_takes_other_operands() {
        let wanted = [(BinaryOperator, "*", "+"), (BinaryOperator, "- 2", "+ 2")];
        assert_eq!(
            rewritten("fn f() -> u8 { 9 - 2 * 3 }", &wanted),
            "fn f() -> u8 { (if on(1) { 9 - 2 + 3 } else if on(2) { 9 + 2 * 3 } else { 9 - 2 * 3 }) }"
        );
        // Not where `let` is an operand: it cannot stand in parentheses.
        let source = "fn f(a: Option<u8>) { if let Some(a) = a && a == 1 {} }";
        let wanted = [(BinaryOperator, "&&", "||"), (BinaryOperator, "==", "!=")];
        assert_eq!(
            rewritten(source, &wanted),
            "fn f(a: Option<u8>) { if let Some(a) = a && (if on(2) { a != 1 } else { a == 1 }) {} }"
        );
    }

    #[test]
    fn arms_guards_and_fields() {
        let source = "fn f(a: u8) { match a { 1 => g(), 2 if h() => {} _ => g() } }";
        let wanted = [
            (MatchArm, "1 => g(),", ""),
            (MatchArm, "2 if h() => {}", ""),
            (MatchArmGuard, "h()", "true"),
        ];
        assert_eq!(
            rewritten(source, &wanted),
            "fn f(a: u8) { match a { 1 if !on(1) => g(), \
             2 if !on(2) && (if on(3) { true } else { h() }) => {} _ => g() } }"
        );
        let source = "fn f(b: S) -> S { S { a: 1, ..b } }";
        assert_eq!(
            rewritten(source, &[(StructField, "a: 1,", "")]),
            "fn f(b: S) -> S { (if on(1) { S {  ..b } } else { S { a: 1, ..b } }) }"
        );
    }

    #[test]
    fn constants_stay_as_they_are() {
        let source = "const A: u8 = 1 + 2; const fn f() -> bool { 1 == 2 } \
                      fn g() -> impl Iterator<Item = u8> { h() } fn k() -> [u8; 3 * 4] { [0; 6 - 7] }";
        let wanted = [
            (BinaryOperator, "+", "-"),
            (FnValue, "1 == 2", "true"),
            (BinaryOperator, "==", "!="),
            (FnValue, "h()", "::std::iter::empty()"),
            (BinaryOperator, "*", "+"),
            (BinaryOperator, "- 7", "+ 7"),
        ];
        assert_eq!(rewritten(source, &wanted), source);
    }

    #[test]
    fn faults_name_the_mutants_nearest_to_them() {
        let source = "fn f(a: u8) -> u8 { a + 1 }";
        let wanted = [
            (FnValue, "a + 1", "x"),
            (BinaryOperator, "+", "-"),
            (BinaryOperator, "+", "*"),
        ];
        let mutants = mutants(source, &wanted);
        let mutants: Vec<&Mutant> = mutants.iter().collect();
        let (spots, bodies) = spots::find(source, &mutants).unwrap();
        assert_eq!((bodies.len(), &bodies[0]), (1, &(18..27)));
        let pairs: Vec<(&Mutant, &Spot)> = mutants.iter().copied().zip(&spots).collect();
        let out = switched(source, &pairs);
        let blamed = |text: &str| {
            let at = out.text.find(text).unwrap();
            out.blamed(&[0..1, at..at + text.len()])
        };
        assert_eq!(blamed("return x"), [1]);
        assert_eq!(blamed("a - 1"), [2]);
        assert_eq!(blamed("a + 1"), [2, 3]);
        assert!(blamed("fn f").is_empty());
        let whole = 0..out.text.len();
        assert_eq!(
            BTreeSet::from_iter(out.blamed(&[whole])),
            BTreeSet::from([1, 2, 3])
        );
        assert_eq!(
            applied(source, &mutants[..1]).text,
            "fn f(a: u8) -> u8 { x }"
        );
        let inside = [20..21, 0..1];
        assert_eq!(applied(source, &mutants[..1]).blamed(&inside), [1]);
    }
}
