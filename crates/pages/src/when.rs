//! Points in time as records write them: a year, a month, a day, or a minute.

use base::Millis;

use crate::language::Language;

/// A point in time, as exact as its source stated it. The time of day is the source's own
/// local time: records of one visit stay on one day whatever zone they are read in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Moment {
    year: u16,
    month: Option<u8>,
    day: Option<u8>,
    minute: Option<u16>, // of the day, 0..1440
}

impl Moment {
    /// The instant of a block, in UTC.
    pub fn of(time: Millis) -> Self {
        let (year, month, day) = time.date();
        Self {
            year: u16::try_from(year).unwrap_or(u16::MAX),
            month: Some(month as u8),                             // 1..=12
            day: Some(day as u8),                                 // 1..=31
            minute: Some((time.0 % Millis::DAY / 60_000) as u16), // below 1440
        }
    }

    /// `2020`, `2020-03`, `2020-03-01`, `2020-03-01T09:30:…` (FHIR, ISO 8601).
    pub fn iso(text: &str) -> Option<Self> {
        let (date, time) = text.split_once('T').unwrap_or((text, ""));
        let mut numbers = date.trim().splitn(3, '-');
        let year = numbers.next()?;
        let month = numbers.next();
        let day = numbers.next();
        let minute = (!time.is_empty()).then(|| (time.get(0..2), time.get(3..5)));
        Self::checked(year, month, day, minute)
    }

    /// `2020`, `202003`, `20200301`, `202003010930…` (HL7 v2, CDA, DICOM).
    pub fn compact(text: &str) -> Option<Self> {
        let text = text.trim();
        let minute = text.get(8..10).map(|hour| (Some(hour), text.get(10..12)));
        Self::checked(text.get(0..4)?, text.get(4..6), text.get(6..8), minute)
    }

    fn checked(
        year: &str,
        month: Option<&str>,
        day: Option<&str>,
        time: Option<(Option<&str>, Option<&str>)>,
    ) -> Option<Self> {
        let number = |text: &str, most: u16| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number: u16 = digits.then(|| text.parse().ok()).flatten()?;
            (number <= most).then_some(number)
        };
        if year.len() != 4 {
            return None;
        }
        let year = number(year, 9999)?;
        let month = match month {
            Some(text) => Some(number(text, 12).filter(|month| *month > 0)? as u8),
            None => None,
        };
        let day = match (month, day) {
            (Some(_), Some(text)) => Some(number(text, 31).filter(|day| *day > 0)? as u8),
            _ => None,
        };
        // A time that is no time leaves the day.
        let minute = day
            .and(time)
            .and_then(|(hour, minute)| Some(number(hour?, 23)? * 60 + number(minute?, 59)?));
        Some(Self {
            year,
            month,
            day,
            minute,
        })
    }

    /// Without its time of day.
    pub(crate) const fn day_only(self) -> Self {
        Self {
            minute: None,
            ..self
        }
    }

    /// Days on a scale that only differences are taken of, at most 3.7 million.
    pub(crate) fn scale(self) -> f64 {
        let month = f64::from(self.month.unwrap_or(1) - 1);
        let day = f64::from(self.day.unwrap_or(1) - 1);
        let minute = f64::from(self.minute.unwrap_or(0));
        f64::from(self.year) * 365.25 + month * 30.4375 + day + minute / 1440.0
    }

    pub(crate) const fn year(self) -> u16 {
        self.year
    }

    /// As the language writes it.
    pub(crate) fn written(self, language: Language) -> String {
        let names = match language {
            Language::English => &MONTHS_EN,
            Language::German => &MONTHS_DE,
        };
        let month = self
            .month
            .and_then(|month| names.get(usize::from(month) - 1));
        let date = match (month, self.day, language) {
            (Some(month), Some(day), Language::English) => format!("{day} {month} {}", self.year),
            (Some(month), Some(day), Language::German) => format!("{day}. {month} {}", self.year),
            (Some(month), None, _) => format!("{month} {}", self.year),
            (None, _, _) => self.year.to_string(),
        };
        match self.minute {
            Some(minute) => format!("{date}, {:02}:{:02}", minute / 60, minute % 60),
            None => date,
        }
    }

    /// For the `datetime` attribute.
    pub(crate) fn machine(self) -> String {
        let mut text = format!("{:04}", self.year);
        if let Some(month) = self.month {
            text.push_str(&format!("-{month:02}"));
        }
        if let Some(day) = self.day {
            text.push_str(&format!("-{day:02}"));
        }
        if let Some(minute) = self.minute {
            text.push_str(&format!("T{:02}:{:02}", minute / 60, minute % 60));
        }
        text
    }
}

const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const MONTHS_DE: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stated_is_shown_and_no_more() {
        let written = |moment: Option<Moment>| moment.map(|m| m.written(Language::German));
        assert_eq!(written(Moment::iso("2020")).as_deref(), Some("2020"));
        assert_eq!(
            written(Moment::iso("2020-03")).as_deref(),
            Some("März 2020")
        );
        let at = Moment::iso("1943-04-28T02:28:09+00:00");
        assert_eq!(written(at).as_deref(), Some("28. April 1943, 02:28"));
        assert_eq!(at.map(Moment::machine).as_deref(), Some("1943-04-28T02:28"));
        let at = Moment::compact("20110531140551-0500");
        assert_eq!(written(at).as_deref(), Some("31. Mai 2011, 14:05"));
        assert_eq!(written(Moment::compact("2011")).as_deref(), Some("2011"));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "x",
            "20",
            "99999",
            "2020-13",
            "2020-00-01",
            "2020-1-32",
            "+020",
            "20é0",
        ] {
            assert_eq!(Moment::iso(text), None, "{text}");
        }
        for text in ["", "201", "20111301", "2011ab", "é2011", "20é1"] {
            assert_eq!(Moment::compact(text), None, "{text}");
        }
        assert_eq!(Moment::iso("2020-01-02T99:99"), Moment::iso("2020-01-02"));
    }
}
