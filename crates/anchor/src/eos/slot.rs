//! Times as the chain writes and counts them: half seconds since the year 2000.

/// The second of 2000-01-01, from 1970 on.
pub(super) const YEAR_2000: u64 = 946_684_800;

/// `2026-11-29T21:42:38.500`, with or without its fraction; none for any other text.
pub(super) fn read(text: &str) -> Option<u32> {
    let (date, time) = text.split_once('T')?;
    let mut parts = date
        .split('-')
        .chain(time.trim_end_matches('Z').split([':', '.']));
    let mut next = |length: usize| -> Option<u64> {
        let part = parts.next().filter(|part| part.len() == length)?;
        part.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| part.parse().ok())?
    };
    let (year, month, day) = (next(4)?, next(2)?, next(2)?);
    let (hour, minute, second) = (next(2)?, next(2)?, next(2)?);
    let millis = next(3).unwrap_or(0);
    let fine = (2000..2068).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !fine {
        return None;
    }
    // Years that begin in March; no year here that can be divided by 100 but 2000, a leap year.
    let (since, month) = match month {
        1 | 2 => (year - 2000, month + 10),
        _ => (year - 2000 + 1, month - 2),
    };
    // Days from 1999-03-01 on, less those to 2000-01-01.
    let days = since * 365 + since.div_ceil(4) + (153 * (month - 1) + 2) / 5 + day - 1;
    let days = days.checked_sub(306)?;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    u32::try_from(seconds * 2 + millis / 500).ok()
}

/// The second since 1970 that a slot is in.
pub(super) fn second(slot: u32) -> u64 {
    u64::from(slot) / 2 + YEAR_2000
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use base::Millis;

    #[test]
    fn every_day_is_read_as_it_is_written() {
        for day in 0..365 * 60 {
            let slot = day * 172_800 + 12_345;
            let written = Millis(second(slot) * 1_000).to_string();
            let text = written.trim_end_matches('Z');
            assert_eq!(read(text), Some(slot & !1), "{text}");
        }
        assert_eq!(read("2000-01-01T00:00:00.500"), Some(1));
        for wrong in [
            "",
            "T",
            "1999-12-31T00:00:00.000",
            "2026-13-01T00:00:00",
            "2026-1-1T0:0:0",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
