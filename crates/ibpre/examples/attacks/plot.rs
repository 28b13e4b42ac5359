//! Small line charts as SVG, legible on light and dark pages.

use std::fmt::Write;

/// How a series is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Computed: a line.
    Line,
    /// Measured: points.
    Dots,
    /// Measured, in order: points joined by a line.
    Joined,
}

/// A named series; the colour is that of `hue`, 0 to 3.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) hue: usize,
    pub(crate) mark: Mark,
    pub(crate) points: Vec<(f64, f64)>,
}

/// One axis: label, range, whether it is logarithmic, and where the ticks are.
pub(crate) struct Axis {
    pub(crate) label: &'static str,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) log: bool,
    pub(crate) ticks: Vec<(f64, String)>,
}

pub(crate) struct Chart {
    pub(crate) title: &'static str,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
    /// An upright line with a word, at an x.
    pub(crate) limit: Option<(f64, &'static str)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const BOTTOM: f64 = 48.0;
const STYLE: &str = "\
    svg{background:#fff}text{font:13px system-ui,sans-serif;fill:#222}.t{font-weight:600;font-size:15px}\
    .g{stroke:#ddd}.a{stroke:#555}.k{stroke:#555;stroke-dasharray:3 4}.l{fill:none;stroke-width:2}\
    .l0{stroke:#0067a5}.l1{stroke:#c04a00}.l2{stroke:#00795a}.l3{stroke:#8a3ea0}\
    .d0{fill:#0067a5}.d1{fill:#c04a00}.d2{fill:#00795a}.d3{fill:#8a3ea0}\
    @media(prefers-color-scheme:dark){svg{background:#14171a}text{fill:#e6e6e6}.g{stroke:#33383d}\
    .a,.k{stroke:#aaa}.l0{stroke:#62b8f0}.l1{stroke:#ff9d57}.l2{stroke:#3ecfa3}.l3{stroke:#d39be6}\
    .d0{fill:#62b8f0}.d1{fill:#ff9d57}.d2{fill:#3ecfa3}.d3{fill:#d39be6}}";

impl Axis {
    /// Decades (or octaves and their like) from base^from to base^to, every `step` labelled.
    pub(crate) fn powers(label: &'static str, base: i32, from: i32, to: i32, step: usize) -> Self {
        let value = |exponent: i32| f64::from(base).powi(exponent);
        let name = |exponent: i32| match value(exponent) {
            small if (0.01..10_000.0).contains(&small) => format!("{small}"),
            _ => format!("{base}^{exponent}"),
        };
        Self {
            label,
            from: value(from),
            to: value(to),
            log: true,
            ticks: (from..=to)
                .step_by(step)
                .map(|e| (value(e), name(e)))
                .collect(),
        }
    }

    pub(crate) fn linear(label: &'static str, from: f64, to: f64, step: f64) -> Self {
        let count = ((to - from) / step).round() as u32;
        let ticks = (0..=count).map(|i| from + step * f64::from(i));
        Self {
            label,
            from,
            to,
            log: false,
            ticks: ticks
                .map(|v| (v, format!("{}", (v * 100.0).round() / 100.0)))
                .collect(),
        }
    }

    /// 0 to 1 along the axis.
    fn share(&self, value: f64) -> f64 {
        let scale = |v: f64| {
            if self.log {
                v.max(f64::MIN_POSITIVE).ln()
            } else {
                v
            }
        };
        (scale(value) - scale(self.from)) / (scale(self.to) - scale(self.from))
    }
}

impl Chart {
    pub(crate) fn svg(&self) -> String {
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
             <title>{}</title>\n<style>{STYLE}</style>\n",
            self.title
        );
        self.draw(&mut out);
        out.push_str("</svg>\n");
        out
    }

    fn draw(&self, out: &mut String) {
        // Above the plot the title, then the legend in two columns.
        let top = 44.0 + 18.0 * self.series.len().div_ceil(2) as f64;
        let (left, right, bottom) = (LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM);
        let x = |v: f64| left + self.x.share(v) * (right - left);
        let y = |v: f64| bottom - self.y.share(v) * (bottom - top);
        text(out, (left, 26.0), "class=\"t\"", self.title);
        for (value, name) in &self.x.ticks {
            let at = x(*value);
            line(out, "g", (at, top), (at, bottom));
            text(out, (at, bottom + 18.0), "text-anchor=\"middle\"", name);
        }
        for (value, name) in &self.y.ticks {
            let at = y(*value);
            line(out, "g", (left, at), (right, at));
            text(out, (left - 8.0, at + 4.0), "text-anchor=\"end\"", name);
        }
        line(out, "a", (left, bottom), (right, bottom));
        line(out, "a", (left, top), (left, bottom));
        text(
            out,
            ((left + right) / 2.0, HEIGHT - 10.0),
            "text-anchor=\"middle\"",
            self.x.label,
        );
        let middle = (top + bottom) / 2.0;
        let turned = format!("text-anchor=\"middle\" transform=\"rotate(-90 14 {middle})\"");
        text(out, (14.0, middle), &turned, self.y.label);
        if let Some((value, word)) = self.limit {
            line(out, "k", (x(value), top), (x(value), bottom));
            text(
                out,
                (x(value) - 6.0, bottom - 8.0),
                "text-anchor=\"end\"",
                word,
            );
        }
        for series in &self.series {
            let points: Vec<(f64, f64)> = series.points.iter().map(|p| (x(p.0), y(p.1))).collect();
            marks(out, series, &points);
        }
        for (at, series) in self.series.iter().enumerate() {
            let x = left + 284.0 * (at % 2) as f64;
            let y = 48.0 + 18.0 * (at / 2) as f64;
            marks(out, series, &[(x + 4.0, y - 4.0), (x + 20.0, y - 4.0)]);
            text(out, (x + 30.0, y), "", &series.name);
        }
    }
}

fn marks(out: &mut String, series: &Series, points: &[(f64, f64)]) {
    if series.mark != Mark::Dots {
        let _ = write!(out, "<polyline class=\"l l{}\" points=\"", series.hue);
        for (x, y) in points {
            let _ = write!(out, "{x:.1},{y:.1} ");
        }
        out.push_str("\"/>\n");
    }
    if series.mark != Mark::Line {
        for (x, y) in points {
            let _ = writeln!(
                out,
                "<circle class=\"d{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>",
                series.hue
            );
        }
    }
}

fn line(out: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        out,
        "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(out: &mut String, at: (f64, f64), attributes: &str, words: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" {attributes}>{words}</text>",
        at.0, at.1
    );
}
