//! Writes the log: a line of JSON for each record, to standard error, from where
//! Spin takes it.
//!
//! The crates that usually do this are larger than the gateway itself.

use crate::wasi;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use std::cell::RefCell;
use std::fmt;
use std::sync::Once;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;
use tracing::Event;
use tracing::Metadata;
use tracing::Subscriber;
use tracing::field::Field;
use tracing::field::Visit;
use tracing::span;
use tracing::subscriber::Interest;

/// The least important level that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

static LEAST: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Makes this the log of the instance, panics included.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = tracing::subscriber::set_global_default(Log);
        std::panic::set_hook(Box::new(|panic| {
            tracing::error!(%panic, "the gateway panicked");
        }));
    });
}

pub(crate) fn set_level(level: Level) {
    LEAST.store(level as u8, Ordering::Relaxed);
}

struct Log;

#[derive(Default)]
struct Spans {
    last: u64,
    open: Vec<Open>,
    entered: Vec<u64>,
}

struct Open {
    id: u64,
    /// How many have it in hand. Each of them closes it.
    handles: u32,
    fields: Map<String, Value>,
}

thread_local! {
    static SPANS: RefCell<Spans> = RefCell::default();
}

impl Spans {
    fn open(&mut self, fields: Map<String, Value>) -> span::Id {
        self.last += 1;
        self.open.push(Open {
            id: self.last,
            handles: 1,
            fields,
        });
        span::Id::from_u64(self.last)
    }

    fn place(&self, id: u64) -> Option<usize> {
        self.open.iter().position(|open| open.id == id)
    }

    /// The fields of the span that was entered last.
    fn current(&self) -> Option<&Map<String, Value>> {
        let at = self.place(*self.entered.last()?)?;
        Some(&self.open[at].fields)
    }
}

impl Subscriber for Log {
    /// Each record is asked about anew: the next request may set another level.
    fn register_callsite(&self, _metadata: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        of(*metadata.level()) as u8 <= LEAST.load(Ordering::Relaxed)
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        SPANS.with_borrow_mut(|spans| spans.open(fields.0))
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        SPANS.with_borrow_mut(|spans| {
            if let Some(at) = spans.place(span.into_u64()) {
                spans.open[at].fields.extend(fields.0);
            }
        });
    }

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let span = SPANS.with_borrow(|spans| spans.current().cloned());
        let line = line(wasi::now(), event.metadata(), fields.0, span);
        wasi::write(&line);
    }

    fn enter(&self, span: &span::Id) {
        SPANS.with_borrow_mut(|spans| spans.entered.push(span.into_u64()));
    }

    fn exit(&self, span: &span::Id) {
        SPANS.with_borrow_mut(|spans| {
            if let Some(at) = spans.entered.iter().rposition(|id| *id == span.into_u64()) {
                spans.entered.remove(at);
            }
        });
    }

    fn clone_span(&self, span: &span::Id) -> span::Id {
        SPANS.with_borrow_mut(|spans| {
            if let Some(at) = spans.place(span.into_u64()) {
                spans.open[at].handles += 1;
            }
        });
        span.clone()
    }

    fn try_close(&self, span: span::Id) -> bool {
        SPANS.with_borrow_mut(|spans| {
            let Some(at) = spans.place(span.into_u64()) else {
                return false;
            };
            spans.open[at].handles -= 1;
            let is_over = spans.open[at].handles == 0;
            if is_over {
                spans.open.remove(at);
            }
            is_over
        })
    }
}

fn line(
    (seconds, nanoseconds): (u64, u32),
    metadata: &Metadata<'_>,
    fields: Map<String, Value>,
    span: Option<Map<String, Value>>,
) -> Vec<u8> {
    let mut record = Map::new();
    let mut put = |name: &str, value: Value| record.insert(name.to_owned(), value);
    put("timestamp", timestamp(seconds, nanoseconds).into());
    put("level", metadata.level().as_str().into());
    put("target", metadata.target().into());
    if let Some(span) = span {
        put("span", span.into());
    }
    record.extend(fields);
    // A plugin's are an object of JSON.
    if let Some(fields) = record.get_mut("fields")
        && let Some(Ok(object)) = fields
            .as_str()
            .map(|text| serde_json::from_slice(text.as_bytes()))
    {
        *fields = object;
    }
    // No value can fail to serialise.
    let mut line = serde_json::to_vec(&record).unwrap_or_default();
    line.push(b'\n');
    line
}

/// As RFC 3339 has it, in UTC.
fn timestamp(seconds: u64, nanoseconds: u32) -> String {
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // Days since the first of March of the year 0, since a leap day is the last
    // day of such a year.
    let day = day + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + next;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let milliseconds = nanoseconds / 1_000_000;
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

fn of(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        _ => Level::Trace,
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    // Else these would go to `record_debug`, and bring the code for that along.
    // Nobody here logs a number that needs as many bits as the last two have.
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, i64::try_from(value).ok().into());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, u64::try_from(value).ok().into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_open_until_all_who_have_it_in_hand_have_closed_it() {
        let mut fields = Map::new();
        fields.insert("key".to_owned(), "pair".into());
        let span = SPANS.with_borrow_mut(|spans| spans.open(fields));
        let key = || SPANS.with_borrow(|spans| spans.current().map(|fields| fields["key"].clone()));
        let clone = Log.clone_span(&span);
        Log.enter(&clone);
        Log.exit(&clone);
        assert!(!Log.try_close(clone));
        Log.enter(&span);
        assert_eq!(key(), Some("pair".into()));
        Log.exit(&span);
        assert_eq!(key(), None);
        assert!(Log.try_close(span));
        assert!(SPANS.with_borrow(|spans| spans.open.is_empty()));
    }

    #[test]
    fn a_moment_is_written_as_rfc_3339_has_it() {
        for (seconds, nanoseconds, expected) in [
            (0, 0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, 999_999_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400, 0, "2000-02-29T00:00:00.000Z"),
            (951_868_800, 0, "2000-03-01T00:00:00.000Z"),
            (1_795_867_442, 5_000_000, "2026-11-28T12:04:02.005Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(timestamp(seconds, nanoseconds), expected);
        }
    }
}
