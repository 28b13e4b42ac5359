//! Small plots of values over time, as SVG without script or style of its own.

use maud::{Markup, html};

use crate::{
    language::Language,
    when::Moment,
    words::{chart as w, role as r},
};

/// Values of one kind over time, with the range that is usual.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) unit: String,
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
    /// At most 4, each with two points or more, oldest first.
    pub(crate) series: Vec<Series>,
}

#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: Option<String>,
    pub(crate) points: Vec<Point>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) at: Moment,
    pub(crate) value: f64,
}

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 140.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 22.0;

/// Where a value and a moment lie on the picture.
struct Axes {
    from: f64,
    to: f64,
    low: f64,
    high: f64,
}

impl Axes {
    fn of(plot: &Plot) -> Self {
        let points = || plot.series.iter().flat_map(|series| &series.points);
        let usual = [plot.low, plot.high].into_iter().flatten();
        let values = points().map(|point| point.value).chain(usual);
        let (mut low, mut high) = extent(values);
        // Half the range above and below, so that equal values lie in the middle; numbers so
        // large that this is infinite lie on the edge.
        let margin = (high / 2.0 - low / 2.0).abs() * 0.2;
        let margin = if margin > 0.0 {
            margin
        } else {
            (low.abs() * 0.1).max(1.0)
        };
        // What cannot be negative has no axis below zero.
        low = if low >= 0.0 {
            (low - margin).max(0.0)
        } else {
            low - margin
        };
        high += margin;
        let (from, to) = extent(points().map(|point| point.at.scale()));
        Self {
            from,
            to,
            low,
            high,
        }
    }

    fn x(&self, at: Moment) -> f64 {
        LEFT + share(at.scale(), self.from, self.to) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - share(value, self.low, self.high) * (HEIGHT - TOP - BOTTOM)
    }
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// From 0 to 1, whatever comes; the middle of what has no extent.
fn share(value: f64, low: f64, high: f64) -> f64 {
    // Halves, since a difference of the largest numbers is infinite.
    let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
    if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.5
    }
}

/// The plot with its title, its newest value, and words for who cannot see it.
pub(crate) fn show(plot: &Plot, language: Language) -> Markup {
    let axes = Axes::of(plot);
    let first = plot
        .series
        .iter()
        .filter_map(|series| series.points.first())
        .map(|p| p.at)
        .min();
    let last = plot
        .series
        .iter()
        .filter_map(|series| series.points.last())
        .map(|p| p.at)
        .max();
    let count: usize = plot.series.iter().map(|series| series.points.len()).sum();
    let year = |at: Option<Moment>| at.map_or(0, Moment::year);
    let (from, to) = (year(first), year(last));
    let values = plot
        .series
        .iter()
        .flat_map(|series| &series.points)
        .map(|point| point.value);
    let (lowest, highest) = extent(values);
    let described = language.fill(
        w::PLOT_IN_WORDS,
        &[
            &plot.title,
            &count,
            &from,
            &to,
            &number(lowest, language),
            &number(highest, language),
            &plot.unit,
        ],
    );
    html! {
        figure class="plot" {
            figcaption {
                strong { (plot.title) }
                @if !plot.unit.is_empty() { " " span class="unit" { (plot.unit) } }
            }
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(described) {
                @if plot.low.is_some() || plot.high.is_some() {
                    @let top = plot.high.map_or(TOP, |high| axes.y(high));
                    @let bottom = plot.low.map_or(HEIGHT - BOTTOM, |low| axes.y(low));
                    rect class="usual" x=(round(LEFT)) y=(round(top))
                        width=(round(WIDTH - LEFT - RIGHT))
                        height=(round((bottom - top).max(0.0))) {}
                }
                line class="axis" x1=(round(LEFT)) x2=(round(LEFT)) y1=(round(TOP))
                    y2=(round(HEIGHT - BOTTOM)) {}
                line class="axis" x1=(round(LEFT)) x2=(round(WIDTH - RIGHT))
                    y1=(round(HEIGHT - BOTTOM)) y2=(round(HEIGHT - BOTTOM)) {}
                @for value in [lowest, highest] {
                    text x=(round(LEFT - 8.0)) y=(round(axes.y(value) + 4.0)) text-anchor="end" {
                        (number(value, language))
                    }
                }
                text x=(round(LEFT)) y=(round(HEIGHT - 6.0)) { (from) }
                @if to != from {
                    text x=(round(WIDTH - RIGHT)) y=(round(HEIGHT - 6.0)) text-anchor="end" { (to) }
                }
                @for (at, series) in plot.series.iter().enumerate() {
                    polyline class=(format!("line series-{at}")) fill="none" points=(line(series, &axes)) {}
                    @for point in &series.points {
                        circle class=(format!("dot series-{at}")) r="3"
                            cx=(round(axes.x(point.at))) cy=(round(axes.y(point.value))) {
                            title {
                                (point.at.day_only().written(language)) ": "
                                (number(point.value, language)) " " (plot.unit)
                            }
                        }
                    }
                }
            }
            @if plot.series.iter().any(|series| series.name.is_some()) {
                ul class="legend" {
                    @for (at, series) in plot.series.iter().enumerate() {
                        li class=(format!("series-{at}")) { (series.name.as_deref().unwrap_or(&plot.title)) }
                    }
                }
            }
        }
    }
}

/// Bars of counts, lying, each with its name and number: at most [`BARS`] of them, the last.
pub(crate) fn bars(title: &str, values: &[(String, u64)], language: Language) -> Markup {
    let values = &values[values.len().saturating_sub(BARS)..];
    let most = values
        .iter()
        .map(|(_, count)| *count)
        .max()
        .unwrap_or(0)
        .max(1);
    let height = values.len() * 22 + 4;
    let label = language.fill(
        r::BARS_IN_WORDS,
        &[&title, &values.len(), &language.whole(most)],
    );
    html! {
        svg class="bars" viewBox=(format!("0 0 480 {height}")) role="img" aria-label=(label) {
            @for (at, (name, count)) in values.iter().enumerate() {
                @let y = at * 22 + 2;
                @let width = *count as f64 / most as f64 * 230.0;
                text x="160" y=(y + 14) text-anchor="end" { (name.chars().take(24).collect::<String>()) }
                rect class="bar" x="168" y=(y) height="18" width=(round(width)) rx="2" {}
                text x=(round(174.0 + width)) y=(y + 14) { (language.whole(*count)) }
            }
        }
    }
}

/// Most bars of one picture.
const BARS: usize = 60;

fn line(series: &Series, axes: &Axes) -> String {
    let mut points = String::new();
    for point in &series.points {
        if !points.is_empty() {
            points.push(' ');
        }
        points.push_str(&format!(
            "{:.1},{:.1}",
            axes.x(point.at),
            axes.y(point.value)
        ));
    }
    points
}

fn round(value: f64) -> String {
    format!("{value:.1}")
}

/// At most four significant digits, never longer than an axis has room for.
pub(crate) fn number(value: f64, language: Language) -> String {
    let magnitude = if value == 0.0 {
        0.0
    } else {
        value.abs().log10().floor()
    };
    if !(-4.0..6.0).contains(&magnitude) {
        return language.decimal(&format!("{value:.1e}"));
    }
    let places = (2.0 - magnitude).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.places$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    language.decimal(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_gives_a_picture() {
        let at = |text| Moment::iso(text).unwrap_or(Moment::of(base::Millis(0)));
        let extremes = [
            f64::MAX,
            f64::MIN,
            0.0,
            -0.0,
            f64::MIN_POSITIVE,
            1e300,
            -1e300,
            5.0,
        ];
        for first in extremes {
            for second in extremes {
                let points = [first, second].map(|value| Point {
                    at: at("2020-01-01"),
                    value,
                });
                let plot = Plot {
                    title: "</svg><script>".into(),
                    unit: "<b>".into(),
                    low: Some(second),
                    high: Some(first),
                    series: vec![Series {
                        name: None,
                        points: points.to_vec(),
                    }],
                };
                let html = show(&plot, Language::German).into_string();
                assert!(
                    !html.contains("NaN") && !html.contains("inf") && !html.contains("<script")
                );
            }
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [(0.0, "0"), (98.6, "98,6"), (1234.5, "1234"), (1e9, "1,0e9")] {
            assert_eq!(number(value, Language::German), text);
        }
    }
}
