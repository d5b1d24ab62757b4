//! Misbehaviour on demand: a bounded list of faults, each striking the next calls it fits.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::calls::Kind;
use super::fields;

/// Faults waiting at one time.
const FAULTS_MAX: usize = 1_000;
/// Calls one fault may strike.
const TIMES_MAX: u32 = 1_000_000;
/// Longest wait before an answer, in milliseconds: ten minutes.
const DELAY_MS_MAX: u64 = 600_000;
/// Longest answer of the flood, in bytes: a gibibyte.
const FLOOD_BYTES_MAX: u64 = 1 << 30;
/// Longest `retry_after` and `location`, in bytes.
const HEADER_BYTES_MAX: usize = 2_048;

/// Why a fault is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// Not JSON, an unknown key, a value of the wrong type, or one out of its limits.
    #[error("not a fault: {0}")]
    Malformed(#[from] serde_json::Error),
    /// More faults than the list holds.
    #[error("at most {FAULTS_MAX} faults can wait at one time")]
    TooMany,
}

/// Which calls a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum On {
    CustomerCreated,
    PaymentSucceeded,
    #[default]
    Any,
}

/// When the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cut {
    /// The call never reached the book.
    Before,
    /// The book took the call, and its reply is lost.
    After,
}

/// One kind of misbehaviour, for so many calls. Written as a JSON object; see [`Fault::HELP`].
/// `Debug` shows no e-mail.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Spec")]
pub struct Fault {
    on: On,
    times: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    delay_ms: u64,
    #[serde(skip_serializing_if = "is_false")]
    processed: bool,
    #[serde(flatten)]
    effect: Effect,
}

/// What the client gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Effect {
    /// The book's own reply, only late.
    Late {},
    /// This answer instead of the book's.
    Answer(Answer),
    /// No answer at all.
    Drop { drop: Cut },
}

/// An answer Refairn should not give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Answer {
    pub(super) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) location: Option<String>,
    #[serde(flatten)]
    pub(super) content: Content,
}

/// The body of such an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Content {
    /// An error object as Refairn sends it.
    Error {},
    /// This text.
    Text { body: String },
    /// Bytes that are neither JSON nor UTF-8, called JSON.
    Garbage { garbage: bool },
    /// So many spaces, called JSON.
    Flood { flood_bytes: u64 },
}

/// A fault as typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    on: Option<On>,
    times: Option<u32>,
    status: Option<u16>,
    retry_after: Option<Value>,
    location: Option<String>,
    delay_ms: Option<u64>,
    body: Option<Box<RawValue>>,
    garbage: Option<bool>,
    flood_bytes: Option<u64>,
    drop: Option<Cut>,
    processed: Option<bool>,
    email: Option<String>,
}

impl Fault {
    /// What a fault may say, for people.
    pub const HELP: &str = r#"POST /_sandbox/faults takes one fault or a list of them:
  on           "payment-succeeded", "customer-created" or "any" (default)
  times        how many calls it strikes, 1 by default
  email        only calls for this customer
  delay_ms     wait so long first
  status       answer this status; 503 by default, 200 with garbage or flood_bytes
  retry_after  Retry-After: seconds, an HTTP date, or nonsense
  location     Location, for a redirect
  body         answer this text (a string) or this JSON
  garbage      true: answer bytes that are no JSON
  flood_bytes  answer so many bytes
  drop         "before": cut the connection, the call is lost;
               "after": cut it once the call is recorded, the reply is lost
  processed    true: record the call before anything of the above happens"#;

    /// Reads one fault, or a list of them.
    ///
    /// # Errors
    /// [`FaultError::Malformed`] names what is wrong; then none of the list is taken.
    pub fn read_all(json: &[u8]) -> Result<Vec<Self>, FaultError> {
        if json.trim_ascii_start().starts_with(b"[") {
            return Ok(serde_json::from_slice(json)?);
        }
        Ok(vec![serde_json::from_slice(json)?])
    }

    /// Whether the book takes the call before the fault strikes.
    pub(super) fn processed_first(&self) -> bool {
        self.processed || self.effect == Effect::Drop { drop: Cut::After }
    }

    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    pub(super) fn effect(&self) -> &Effect {
        &self.effect
    }

    fn strikes(&self, kind: Kind, email: Option<&str>) -> bool {
        let kind_fits = match self.on {
            On::Any => true,
            On::CustomerCreated => kind == Kind::CustomerCreated,
            On::PaymentSucceeded => kind == Kind::PaymentSucceeded,
        };
        kind_fits && self.email.as_deref().is_none_or(|only| email == Some(only))
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        Ok(serde_json::from_str(json)?)
    }
}

impl TryFrom<Spec> for Fault {
    type Error = &'static str;

    fn try_from(spec: Spec) -> Result<Self, Self::Error> {
        let times = spec.times.unwrap_or(1);
        if !(1..=TIMES_MAX).contains(&times) {
            return Err("times must be 1 to 1000000");
        }
        let delay_ms = spec.delay_ms.unwrap_or(0);
        if delay_ms > DELAY_MS_MAX {
            return Err("delay_ms must be at most 600000");
        }
        Ok(Self {
            on: spec.on.unwrap_or_default(),
            times,
            email: spec.email.as_deref().map(str::to_lowercase),
            delay_ms,
            processed: spec.processed.unwrap_or(false),
            effect: effect(spec)?,
        })
    }
}

fn effect(spec: Spec) -> Result<Effect, &'static str> {
    let delayed = spec.delay_ms.is_some_and(|ms| ms > 0);
    let content = content(spec.body.as_deref(), spec.garbage, spec.flood_bytes)?;
    let retry_after = spec.retry_after.map(retry_after).transpose()?;
    let location = spec.location.map(header).transpose()?;
    let answers = spec.status.is_some() || retry_after.is_some() || location.is_some() || content != Content::Error {};
    if let Some(drop) = spec.drop {
        if answers {
            return Err("drop means no answer: leave out status, retry_after, location, body, garbage and flood_bytes");
        }
        if drop == Cut::Before && spec.processed == Some(true) {
            return Err("a call cannot be processed and dropped before; say \"drop\":\"after\"");
        }
        return Ok(Effect::Drop { drop });
    }
    if !answers {
        return if delayed {
            Ok(Effect::Late {})
        } else {
            Err("says nothing to do; give a status, drop, garbage, body, flood_bytes or delay_ms")
        };
    }
    let status = match (spec.status, &content) {
        (Some(status @ 200..=599), _) => status,
        (Some(_), _) => return Err("status must be 200 to 599"),
        (None, Content::Garbage { .. } | Content::Flood { .. }) => 200,
        (None, Content::Error {} | Content::Text { .. }) => 503,
    };
    Ok(Effect::Answer(Answer { status, retry_after, location, content }))
}

fn content(body: Option<&RawValue>, garbage: Option<bool>, flood: Option<u64>) -> Result<Content, &'static str> {
    match (body, garbage.unwrap_or(false), flood) {
        (None, false, None) => Ok(Content::Error {}),
        (Some(body), false, None) => {
            let text = serde_json::from_str(body.get()).unwrap_or_else(|_| body.get().to_owned());
            Ok(Content::Text { body: text })
        }
        (None, true, None) => Ok(Content::Garbage { garbage: true }),
        (None, false, Some(flood_bytes @ 1..=FLOOD_BYTES_MAX)) => Ok(Content::Flood { flood_bytes }),
        (None, false, Some(_)) => Err("flood_bytes must be 1 to 1073741824"),
        _ => Err("give one of body, garbage and flood_bytes"),
    }
}

fn retry_after(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => header(text),
        Value::Number(seconds) => Ok(seconds.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err("retry_after must be a number or a string")
        }
    }
}

fn header(text: String) -> Result<String, &'static str> {
    let sendable = text.len() <= HEADER_BYTES_MAX && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if sendable { Ok(text) } else { Err("retry_after and location must be at most 2048 printable ASCII characters") }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Faults in the order given. The first that fits a call strikes it.
#[derive(Default)]
pub(super) struct Faults(VecDeque<Fault>);

impl Faults {
    /// Adds all of them, or none.
    pub(super) fn add(&mut self, faults: Vec<Fault>) -> Result<(), FaultError> {
        if self.0.len() + faults.len() > FAULTS_MAX {
            return Err(FaultError::TooMany);
        }
        self.0.extend(faults);
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What is left, with the number of calls each will still strike.
    pub(super) fn left(&self) -> &VecDeque<Fault> {
        &self.0
    }

    /// The fault for this call, used up by one.
    pub(super) fn take(&mut self, kind: Kind, body: &[u8]) -> Option<Fault> {
        if self.0.is_empty() {
            return None;
        }
        let by_email = self.0.iter().any(|fault| fault.email.is_some());
        let email = by_email.then(|| fields::email_of(body)).flatten().map(|email| email.to_lowercase());
        let at = self.0.iter().position(|fault| fault.strikes(kind, email.as_deref()))?;
        let fault = self.0.get_mut(at)?;
        fault.times -= 1;
        let struck = fault.clone();
        if struck.times == 0 {
            self.0.remove(at);
        }
        Some(struck)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("on", &self.on)
            .field("times", &self.times)
            .field("delay_ms", &self.delay_ms)
            .field("processed", &self.processed)
            .field("effect", &self.effect)
            .finish_non_exhaustive()
    }
}
