//! Observations: the newest of each kind, a plot of those that were measured again, and
//! every value on demand.

use serde_json::Value as Json;
use std::{cmp::Reverse, collections::BTreeMap};

use super::value::{self, Value, code, each, string};
use crate::{
    plot::{Plot, Point, Series},
    record::{
        Limits,
        model::{Block, Cell, Label, Reading, Row, Table, cut},
    },
    when::Moment,
    words::{Term, chart as w},
};

/// Observations by group and by what was observed.
#[derive(Default)]
pub(super) struct Observations {
    groups: BTreeMap<Group, BTreeMap<String, Vec<Seen>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    VitalSigns,
    Laboratory,
    Social,
    Other,
}

/// One observation, its components as observations of the same moment.
struct Seen {
    at: Option<Moment>,
    value: Cell,
    usual: Option<Usual>,
    numbers: Vec<Number>,
    sensitive: bool,
}

struct Number {
    /// Which component; the observation itself has no name.
    name: Option<String>,
    value: f64,
    unit: String,
}

#[derive(Clone)]
struct Usual {
    text: String,
    low: Option<f64>,
    high: Option<f64>,
}

impl Observations {
    pub(super) fn take(&mut self, resource: &Value, sensitive: bool) {
        let group = each(resource.get("category")).find_map(|category| {
            Some(match code(Some(category))? {
                "vital-signs" => Group::VitalSigns,
                "laboratory" => Group::Laboratory,
                "social-history" | "survey" => Group::Social,
                _ => return None,
            })
        });
        let name = resource.concept("code").unwrap_or_default();
        let name = cut(&name, 200).0;
        let seen = Seen::of(resource, sensitive);
        let group = self
            .groups
            .entry(group.unwrap_or(Group::Other))
            .or_default();
        group.entry(name).or_default().push(seen);
    }

    pub(super) fn sections(self, reading: &mut Reading) {
        for (group, kinds) in self.groups {
            let title = match group {
                Group::VitalSigns => w::VITAL_SIGNS,
                Group::Laboratory => w::LABORATORY,
                Group::Social => w::LIFE,
                Group::Other => w::FURTHER_OBSERVATIONS,
            };
            let blocks = blocks(title, kinds);
            reading.section(Label::Term(title), blocks);
        }
    }
}

fn blocks(title: Term, mut kinds: BTreeMap<String, Vec<Seen>>) -> Vec<Block> {
    let (mut newest, mut every, mut plots) = (Vec::new(), Vec::new(), Vec::new());
    for (name, seen) in &mut kinds {
        seen.sort_by_key(|seen| Reverse(seen.at));
        if plots.len() < Limits::PLOTS {
            plots.extend(plot(name, seen));
        }
        if let Some(first) = seen.first() {
            let mut row = first.row(name);
            row.cells.push(Cell::text(seen.len().to_string()));
            newest.push(row);
        }
        every.extend(seen.iter().map(|seen| seen.row(name)));
    }
    let repeats = every.len() > newest.len();
    let table = |head: &[Term], rows| Block::Table(Table::new(Label::Term(title), head, rows));
    let mut blocks = vec![table(
        &[w::TEST, w::NEWEST, w::USUAL, w::WHEN, w::TIMES],
        newest,
    )];
    if !plots.is_empty() {
        blocks.push(Block::Plots(plots));
    }
    if repeats {
        every.sort_by_key(|row| Reverse(row.at));
        let all = table(&[w::TEST, w::VALUE, w::USUAL, w::WHEN], every);
        blocks.push(Block::Fold(Label::Term(w::EVERY_VALUE), vec![all]));
    }
    blocks
}

impl Seen {
    fn of(resource: &Value, sensitive: bool) -> Self {
        let mut value = value::any(&resource.0);
        let mut numbers: Vec<Number> = number(&resource.0, None).into_iter().collect();
        let mut words = Vec::new();
        for component in each(resource.get("component")) {
            let name = component
                .get("code")
                .and_then(value::concept)
                .map(|name| cut(&name, 200).0);
            numbers.extend(number(component, name.clone()));
            let shown = value::any(component);
            if !shown.is_empty() {
                words.push((name.unwrap_or_default(), shown));
            }
        }
        if value.is_empty() {
            value = Cell::Named(words);
        }
        if let Some(reason) = resource
            .concept("dataAbsentReason")
            .filter(|_| value.is_empty())
        {
            value = Cell::text(format!("({reason})"));
        }
        let usual = each(resource.get("referenceRange")).next().map(Usual::of);
        let flag = code(resource.get("interpretation")).and_then(flag);
        let flag = flag.or_else(|| usual.as_ref()?.judge(&numbers));
        if let Some(flag) = flag {
            value = Cell::Flagged(Box::new(value), flag);
        }
        Self {
            at: resource.moment(&["effectiveDateTime", "effectivePeriod", "issued"]),
            value,
            usual,
            numbers,
            sensitive,
        }
    }

    fn row(&self, name: &str) -> Row {
        let usual = self.usual.as_ref().map(|usual| usual.text.as_str());
        Row {
            cells: vec![
                Cell::text(name),
                self.value.clone(),
                Cell::maybe(usual),
                Cell::when(self.at.map(Moment::day_only)),
            ],
            sensitive: self.sensitive,
            at: self.at,
        }
    }
}

fn number(value: &Json, name: Option<String>) -> Option<Number> {
    let (_, number, unit) = value::quantity(value.get("valueQuantity")?)?;
    number.is_finite().then_some(Number {
        name,
        value: number,
        unit,
    })
}

impl Usual {
    fn of(range: &Json) -> Self {
        let bound = |key: &str| range.get(key).and_then(value::quantity);
        let (low, high) = (bound("low"), bound("high"));
        let text = string(range, "text").map_or_else(
            || match (&low, &high) {
                (Some((low, ..)), Some((high, _, unit))) => format!("{low}–{high} {unit}"),
                (Some((low, _, unit)), None) => format!("≥ {low} {unit}"),
                (None, Some((high, _, unit))) => format!("≤ {high} {unit}"),
                (None, None) => String::new(),
            },
            str::to_owned,
        );
        let finite =
            |bound: Option<(String, f64, String)>| bound.map(|b| b.1).filter(|n| n.is_finite());
        Self {
            text,
            low: finite(low),
            high: finite(high),
        }
    }

    /// Only of a number of its own: whose range a component's would be is not known.
    fn judge(&self, numbers: &[Number]) -> Option<Term> {
        let [
            Number {
                name: None, value, ..
            },
        ] = numbers
        else {
            return None;
        };
        if self.low.is_some_and(|low| *value < low) {
            Some(w::LOW)
        } else if self.high.is_some_and(|high| *value > high) {
            Some(w::HIGH)
        } else {
            None
        }
    }
}

fn flag(code: &str) -> Option<Term> {
    Some(match code {
        "L" => w::LOW,
        "H" => w::HIGH,
        "LL" => w::VERY_LOW,
        "HH" => w::VERY_HIGH,
        "A" | "AA" => w::UNUSUAL,
        _ => return None,
    })
}

/// Most lines of one plot.
const SERIES: usize = 4;

/// Two moments or more of the same unit make a plot; other units are left to the table.
fn plot(name: &str, seen: &[Seen]) -> Option<Plot> {
    let unit = seen
        .iter()
        .find_map(|seen| seen.numbers.first())
        .map(|n| n.unit.clone())?;
    let mut series: Vec<Series> = Vec::new();
    for one in seen.iter().rev() {
        let Some(at) = one.at else {
            continue;
        };
        for number in one.numbers.iter().filter(|number| number.unit == unit) {
            let point = Point {
                at,
                value: number.value,
            };
            match series.iter().position(|series| series.name == number.name) {
                Some(found) if series[found].points.len() < Limits::POINTS => {
                    series[found].points.push(point);
                }
                None if series.len() < SERIES => {
                    series.push(Series {
                        name: number.name.clone(),
                        points: vec![point],
                    });
                }
                _ => {}
            }
        }
    }
    series.retain(|series| series.points.len() > 1);
    if series.is_empty() {
        return None;
    }
    let usual = seen.iter().find_map(|seen| seen.usual.clone());
    Some(Plot {
        title: name.to_owned(),
        unit,
        low: usual.as_ref().and_then(|usual| usual.low),
        high: usual.as_ref().and_then(|usual| usual.high),
        series,
    })
}
