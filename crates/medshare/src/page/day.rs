//! Days as a browser's forms write them.

use base::Millis;

/// The end of a UTC day, `YYYY-MM-DD`.
pub(super) fn end_of_day(text: &str) -> Option<Millis> {
    let mut numbers = text.splitn(3, '-').map(|number| number.parse::<u64>().ok());
    let date = (numbers.next()??, numbers.next()??, numbers.next()??);
    if !(1970..=9999).contains(&date.0) {
        return None;
    }
    // The day that has this date: at most 366 steps from the start of its year.
    let near = (date.0 - 1970) * 365 + (date.0 - 1969) / 4;
    let from = near.saturating_sub(20);
    let mut days = (from..=near + 400).map(|day| Millis(day * Millis::DAY));
    let day = days.find(|day| day.date() == date)?;
    Some(day.plus(Millis::DAY - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_its_end() {
        let end = |text| end_of_day(text).map(|end| end.to_string());
        assert_eq!(
            end("2026-12-22").as_deref(),
            Some("2026-12-22T23:59:59.999Z")
        );
        assert_eq!(
            end("1970-01-01").as_deref(),
            Some("1970-01-01T23:59:59.999Z")
        );
        assert_eq!(
            end("2000-02-29").as_deref(),
            Some("2000-02-29T23:59:59.999Z")
        );
        assert_eq!(
            end("9999-12-31").as_deref(),
            Some("9999-12-31T23:59:59.999Z")
        );
        for text in [
            "",
            "2026-02-29",
            "2026-13-01",
            "1969-12-31",
            "99999-01-01",
            "x-y-z",
            "2026-1",
        ] {
            assert_eq!(end(text), None, "{text}");
        }
    }
}
