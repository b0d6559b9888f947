//! Times as the cloud writes them: numbers or texts, in seconds, milli-, micro- or nanoseconds.

use serde_json::Value;

use crate::clock::Timestamp;

/// The moment a JSON value means, or `None` if it means none. Zero and negative
/// numbers mean none: CTS is younger than 1970.
pub fn read(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(number) => moment(i128::from(number)),
            // Floats saturate, so an absurd number ends up at the end of time.
            None => moment(number.as_f64()? as i128),
        },
        Value::String(text) => {
            let text = text.trim();
            if let Ok(number) = text.parse::<i128>() {
                moment(number)
            } else if let Ok(number) = text.parse::<f64>() {
                moment(number as i128)
            } else {
                text.parse::<Timestamp>().ok().map(whole_micros)
            }
        }
        _ => None,
    }
}

/// The unit follows from the number of digits: 10 are seconds, 13 milliseconds,
/// 16 microseconds, 19 nanoseconds. The borders lie so that each unit reads
/// right from 2001 to 5138.
fn moment(number: i128) -> Option<Timestamp> {
    let micros = match number {
        ..=0 => return None,
        1..100_000_000_000 => number * 1_000_000,
        100_000_000_000..1_000_000_000_000_000 => number * 1000,
        1_000_000_000_000_000..1_000_000_000_000_000_000 => number,
        _ => number / 1000,
    };
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    Some(Timestamp::from_microsecond(micros).unwrap_or_else(|_| whole_micros(Timestamp::MAX)))
}

/// Microseconds are what the store keeps.
fn whole_micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_unit_and_spelling_is_the_same_moment() {
        let spellings = [
            json!(1768465800),
            json!("1768465800"),
            json!(1768465800000_i64),
            json!("1768465800000"),
            json!(1768465800000000_i64),
            json!(1768465800000000000_i64),
            json!("1768465800000000000"),
            json!(1768465800000.0),
            json!(" 1768465800000 "),
            json!("2026-01-15T08:30:00Z"),
        ];
        for spelling in spellings {
            assert_eq!(read(&spelling).map(|t| t.as_second()), Some(1_768_465_800), "{spelling}");
        }
    }

    #[test]
    fn nonsense_is_no_time_and_never_a_panic() {
        for nothing in
            [json!(0), json!(-5), json!(""), json!("soon"), json!(null), json!({}), json!([]), json!("-1e400")]
        {
            assert_eq!(read(&nothing), None, "{nothing}");
        }
        for far in [json!(i64::MAX), json!("99999999999999999999999999999"), json!(1e300), json!("1e999")] {
            assert!(read(&far).is_some_and(|t| t.as_second() > 4_000_000_000), "{far}");
        }
        let year_9999 = read(&json!(253_402_214_400_000_i64)).unwrap();
        assert!(year_9999.to_string().starts_with("9999-"), "{year_9999}");
    }
}
