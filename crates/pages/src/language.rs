//! Two languages, and how each writes words, dates and numbers.

use base::Millis;
use std::fmt::Display;

use crate::{when::Moment, words::Term};

/// A language of the catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Language {
    /// British English.
    English,
    /// German.
    German,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// The tag of BCP 47, for the `lang` attribute.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en-GB",
            Self::German => "de",
        }
    }

    /// Two letters, as in `?language=de`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language of two letters.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|language| language.code() == code)
    }

    /// Its own name for itself.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
        }
    }

    /// The language that an `Accept-Language` header prefers; English if it names none of ours.
    pub fn preferred(header: &str) -> Self {
        let weight = |item: &str| {
            let (tag, rest) = item.split_once(';').unwrap_or((item, ""));
            let quality = rest.trim().strip_prefix("q=");
            let quality = quality.map_or(Some(1.0), |text| text.trim().parse().ok());
            let language = match tag.trim().split('-').next()? {
                two if two.eq_ignore_ascii_case("de") => Self::German,
                two if two.eq_ignore_ascii_case("en") => Self::English,
                _ => return None,
            };
            Some((quality.filter(|q: &f32| *q > 0.0)?, language))
        };
        let mut best = (0.0, Self::English);
        // Nobody states more than a few languages.
        for found in header.split(',').take(32).filter_map(weight) {
            if found.0 > best.0 {
                best = found;
            }
        }
        best.1
    }

    /// A term of the catalogue.
    pub(crate) const fn say(self, term: Term) -> &'static str {
        match self {
            Self::English => term.en,
            Self::German => term.de,
        }
    }

    /// A term with `{0}`, `{1}` … replaced; what has no argument stays as it is.
    pub(crate) fn fill(self, term: Term, arguments: &[&dyn Display]) -> String {
        let mut text = String::new();
        let mut rest = self.say(term);
        while let Some(at) = rest.find('{') {
            text.push_str(&rest[..at]);
            let tail = &rest[at..];
            let argument = tail
                .get(1..2)
                .and_then(|digit| digit.parse::<usize>().ok())
                .and_then(|index| arguments.get(index));
            match argument.filter(|_| tail.get(2..3) == Some("}")) {
                Some(argument) => {
                    text.push_str(&argument.to_string());
                    rest = &tail[3..];
                }
                None => {
                    text.push('{');
                    rest = &tail[1..];
                }
            }
        }
        text.push_str(rest);
        text
    }

    /// One or many: `one` for 1, else `many` with `{0}` the number.
    pub(crate) fn count(self, number: u64, one: Term, many: Term) -> String {
        if number == 1 {
            self.say(one).to_owned()
        } else {
            self.fill(many, &[&self.whole(number)])
        }
    }

    /// A day: `29 November 2026`, `29. November 2026`.
    pub(crate) fn day(self, time: Millis) -> String {
        Moment::of(time).day_only().written(self)
    }

    /// A minute, in UTC, said so.
    pub(crate) fn minute(self, time: Millis) -> String {
        format!("{} UTC", Moment::of(time).written(self))
    }

    /// A whole number with the language's groups of three.
    pub(crate) fn whole(self, number: u64) -> String {
        let digits = number.to_string();
        if digits.len() <= 4 {
            return digits;
        }
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(match self {
                    Self::English => ',',
                    Self::German => '.',
                });
            }
            text.push(digit);
        }
        text
    }

    /// A decimal number as a source wrote it, with the language's decimal sign.
    pub(crate) fn decimal(self, text: &str) -> String {
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
        match self {
            Self::German if plain => text.replace('.', ","),
            _ => text.to_owned(),
        }
    }

    /// A size: `1.2 MiB`.
    pub(crate) fn size(self, bytes: u64) -> String {
        const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
        if bytes < 1024 {
            return format!("{bytes} B");
        }
        let mut size = bytes as f64;
        let mut unit = "B";
        for next in UNITS {
            if size < 1024.0 {
                break;
            }
            size /= 1024.0;
            unit = next;
        }
        self.decimal(&format!("{size:.1}")) + " " + unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_weighed() {
        for (header, language) in [
            ("", Language::English),
            ("de-AT", Language::German),
            ("fr, de;q=0.7, en;q=0.8", Language::English),
            ("fr, de;q=0.8, en;q=0.7", Language::German),
            ("en;q=0, de;q=0.1", Language::German),
            ("en;q=NaN, de;q=;;;", Language::English),
        ] {
            assert_eq!(Language::preferred(header), language, "{header}");
        }
    }

    #[test]
    fn numbers_are_written_as_each_language_does() {
        assert_eq!(Language::English.whole(1_234_567), "1,234,567");
        assert_eq!(Language::German.whole(12_345), "12.345");
        assert_eq!(Language::German.decimal("-3.5"), "-3,5");
        assert_eq!(Language::German.decimal("1.2.3 rev.4"), "1.2.3 rev.4");
        assert_eq!(Language::English.size(1_572_864), "1.5 MiB");
        assert_eq!(Language::English.size(u64::MAX), "16777216.0 TiB");
    }
}
