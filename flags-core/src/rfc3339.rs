//! RFC 3339, strictly, and without allocating: it is read while evaluating.
//!
//! jiff, which writes instants, also reads much that is not RFC 3339 (`+0100`, a space for the
//! `T`, missing seconds, time zones in brackets), allocates for each text that it refuses, and
//! does not reach the end of the year 9999, which people write for *never*. It is the oracle here.

const MILLIS_PER_DAY: i64 = 86_400_000;

/// The milliseconds since the Unix epoch.
pub(crate) fn read_millis(text: &str) -> Option<i64> {
    let (date, time) = text.as_bytes().split_at_checked(10)?;
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else {
        return None;
    };
    let year = number(&[y1, y2, y3, y4])?;
    let month = number(&[m1, m2]).filter(|month| (1..=12).contains(month))?;
    let day = number(&[d1, d2]).filter(|day| (1..=days_of_month(year, month)).contains(day))?;
    let &[b'T' | b't', h1, h2, b':', n1, n2, b':', s1, s2, ref rest @ ..] = time else {
        return None;
    };
    let hour = number(&[h1, h2]).filter(|hour| *hour <= 23)?;
    let minute = number(&[n1, n2]).filter(|minute| *minute <= 59)?;
    // A leap second counts as the second before it.
    let second = number(&[s1, s2]).filter(|second| *second <= 60)?.min(59);
    let (millis, offset) = match rest {
        [b'.', digits @ ..] => fraction(digits)?,
        offset => (0, offset),
    };
    let offset = offset_minutes(offset)?;
    let minutes = hour * 60 + minute - offset;
    Some(
        days_since_epoch(year, month, day) * MILLIS_PER_DAY
            + minutes * 60_000
            + second * 1000
            + millis,
    )
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })
}

/// More digits after the point of the seconds than anybody writes; a text as long as an attribute
/// may be would take its time to read.
const MAX_FRACTION_DIGITS: usize = 32;

/// The milliseconds of one or more digits, and what follows them.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let mut first = text.iter().take(MAX_FRACTION_DIGITS + 1);
    let length = first.position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = text.split_at_checked(length).filter(|(digits, _)| !digits.is_empty())?;
    let millis = [100, 10, 1].iter().zip(digits).map(|(place, d)| place * i64::from(d - b'0'));
    Some((millis.sum(), rest))
}

fn offset_minutes(text: &[u8]) -> Option<i64> {
    let (sign, offset) = match text {
        b"Z" | b"z" => return Some(0),
        [b'+', offset @ ..] => (1, offset),
        [b'-', offset @ ..] => (-1, offset),
        _ => return None,
    };
    let &[h1, h2, b':', m1, m2] = offset else {
        return None;
    };
    let hours = number(&[h1, h2]).filter(|hours| *hours <= 23)?;
    let minutes = number(&[m1, m2]).filter(|minutes| *minutes <= 59)?;
    Some(sign * (hours * 60 + minutes))
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts from 1 March, so that the leap day is the last of its year.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    const FROM_0000_03_01_TO_EPOCH: i64 = 719_468;
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - FROM_0000_03_01_TO_EPOCH
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_rfc_3339_is_read() {
        const NOON: i64 = 1_795_176_000_000;
        for (good, millis) in [
            ("2026-11-20T12:00:00Z", NOON),
            ("2026-11-20t12:00:00z", NOON),
            ("2026-11-20T13:00:00+01:00", NOON),
            ("2026-11-20T12:00:00-00:00", NOON),
            ("2026-11-20T12:00:00.000999Z", NOON),
            ("2026-11-20T12:00:00.00000000000000000001Z", NOON),
            ("2026-11-20T12:00:00.5Z", NOON + 500),
            ("2026-11-20T12:00:00.0129Z", NOON + 12),
            ("2026-11-21T11:59:00+23:59", NOON),
            ("1969-12-31T23:59:59.9999Z", -1),
            ("2016-12-31T23:59:60Z", 1_483_228_799_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] {
            assert_eq!(read_millis(good), Some(millis), "{good}");
        }
        for bad in [
            "",
            "now",
            "2026-11-20",
            "2026-11-20 12:00:00Z",
            "2026-11-20T12:00:00",
            "2026-11-20T12:00Z",
            "2026-11-20T120000Z",
            "20261120T120000Z",
            "2026-11-20T12:00:00.Z",
            "2026-11-20T12:00:00,5Z",
            "2026-11-20T12:00:00+01",
            "2026-11-20T12:00:00+0100",
            "2026-11-20T12:00:00+24:00",
            "2026-11-20T12:00:00+01:60",
            "2026-11-20T12:00:00+01:00:00",
            "2026-11-20T12:00:00Z[UTC]",
            "2026-11-20T12:00:00Z ",
            " 2026-11-20T12:00:00Z",
            "+2026-11-20T12:00:00Z",
            "2026-00-20T12:00:00Z",
            "2026-13-20T12:00:00Z",
            "2026-11-00T12:00:00Z",
            "2026-11-31T12:00:00Z",
            "2025-02-29T12:00:00Z",
            "1900-02-29T12:00:00Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20T12:60:00Z",
            "2026-11-20T12:00:61Z",
            "２026-11-20T12:00:00Z",
            "2026-11-2öT12:00:00Z",
        ] {
            assert_eq!(read_millis(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_jiff_writes_is_read_as_it_was_meant(
            millis in -62_167_219_200_000_i64..253_402_207_200_000,
            offset in -86_340_i32 / 60..86_340 / 60,
        ) {
            let instant = jiff::Timestamp::from_millisecond(millis).unwrap();
            prop_assert_eq!(read_millis(&instant.to_string()), Some(millis));
            let zone = jiff::tz::TimeZone::fixed(jiff::tz::Offset::from_seconds(offset * 60).unwrap());
            let local = instant.to_zoned(zone);
            prop_assume!((0..=9999).contains(&local.year()));
            let (sign, offset) = (if offset < 0 { '-' } else { '+' }, offset.abs());
            let text = format!("{}{sign}{:02}:{:02}", local.datetime(), offset / 60, offset % 60);
            prop_assert_eq!(read_millis(&text), Some(millis), "{}", text);
        }

        #[test]
        fn what_is_written_is_read_again(millis in -62_167_219_200_000_i64..253_402_300_800_000) {
            let text = crate::time::Timestamp::from_millis(millis).to_string();
            prop_assert_eq!(read_millis(&text), Some(millis), "{}", text);
        }

        #[test]
        fn what_is_read_is_read_alike_by_jiff(text in "[0-2][0-9]{3}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:[0-6][0-9])") {
            if let Some(millis) = read_millis(&text) {
                let jiff: jiff::Timestamp = text.parse().unwrap();
                // Of a leap second jiff drops the fraction.
                if &text[17..19] != "60" {
                    prop_assert_eq!(jiff.as_nanosecond().div_euclid(1_000_000), i128::from(millis));
                }
            }
        }
    }
}
