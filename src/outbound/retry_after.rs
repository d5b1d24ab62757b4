//! `Retry-After`: how long an answer asks to wait.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// How long an answer that came at `now` asks to wait: whole seconds, or until a date in any of HTTP's three forms
/// (RFC 9110, 10.2.3 and 5.6.7); anything else counts as no header. A date is measured by the clock of the server that
/// wrote it, which the answer's own Date shows: ours may be wrong.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let until = httpdate::parse_http_date(asked).ok()?;
    let from = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    Some(until.duration_since(from.unwrap_or_else(|| SystemTime::from(now))).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(asked: &str, date: Option<&str>, seconds: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, asked.parse().unwrap());
        date.map(|date| headers.insert(DATE, date.parse().unwrap()));
        let now = "1994-11-06T08:49:30Z".parse().unwrap();
        assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{asked}, {date:?}");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_or_nothing() {
        check("7", None, Some(7));
        check(" 7 ", None, Some(7));
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            check(date, None, Some(7));
        }
        check("Sun, 06 Nov 1994 08:49:00 GMT", None, Some(0));
        for none in ["", "soon", "-5", "1.5", "99999999999999999999", "Sun, 31 Feb 1994 08:49:37 GMT"] {
            check(none, None, None);
        }
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn a_date_is_measured_by_the_clock_of_the_answer() {
        // Three hours before ours.
        check("Sun, 06 Nov 1994 05:49:37 GMT", Some("Sun, 06 Nov 1994 05:49:30 GMT"), Some(7));
        check("Sun, 06 Nov 1994 11:49:37 GMT", Some("Sunday, 06-Nov-94 11:49:30 GMT"), Some(7));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some("yesterday"), Some(7));
        check("7", Some("Sun, 06 Nov 1994 05:49:30 GMT"), Some(7));
    }
}
