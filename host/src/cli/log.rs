//! The log of `serve`, on standard error.

use crate::config::LogFormat;
use crate::config::LogLevel;
use crate::config::LogSection;
use serde_json::Map;
use serde_json::Value;
use std::fmt;
use std::io;
use tracing::Event;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::FormatEvent;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Format;
use tracing_subscriber::fmt::format::Json;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts to write a log, and returns what changes its level.
pub(super) fn start(log: LogSection) -> Box<dyn Fn(LogLevel) + Send> {
    let (level, handle) = reload::Layer::new(filter(log.level));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match log.format {
        LogFormat::Human => lines
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .boxed(),
        LogFormat::Json => lines
            .fmt_fields(JsonFields::new())
            .event_format(Records::new())
            .boxed(),
    };
    // An embedder may have set one up before; then there is nothing to change.
    let _ = tracing_subscriber::registry()
        .with(level)
        .with(lines)
        .try_init();
    Box::new(move |level| drop(handle.reload(filter(level))))
}

/// Only this program's own records: those of the HTTP libraries hold headers,
/// and so credentials, at their lower levels.
fn filter(level: LogLevel) -> EnvFilter {
    let level = format!("{level:?}").to_lowercase();
    EnvFilter::new(format!(
        "warn,servicenow_sync={level},integration_gateway={level},plugin={level}"
    ))
}

/// Writes records as JSON, those of the plugin with an object of fields: tracing
/// has only fields whose names the gateway knows.
struct Records(Format<Json>);

impl Records {
    fn new() -> Self {
        let format = Format::default().json().flatten_event(true);
        // The list of spans holds the current one too.
        Self(format.with_current_span(false))
    }
}

impl<S, N> FormatEvent<S, N> for Records
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() != "plugin" {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        let mut record: Map<String, Value> = serde_json::from_str(&line).map_err(|_| fmt::Error)?;
        if let Some(fields) = record.get_mut("fields")
            && let Some(text) = fields.as_str()
        {
            *fields = serde_json::from_str(text).map_err(|_| fmt::Error)?;
        }
        writeln!(writer, "{}", Value::Object(record))
    }
}
