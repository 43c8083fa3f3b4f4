//! The job that closes what has been resolved for some days.

use super::ServiceNow;
use super::incident::CLOSED;
use super::incident::RESOLVED;
use super::instance::value;
use super::session::Session;
use super::stamp;
use super::write::Write;

const DAY_MS: u64 = 86_400_000;

impl ServiceNow {
    /// Closes what is due. Business rules run for it like for any write.
    pub(super) fn autoclose(&mut self, now_ms: u64) {
        while let Some((due_ms, sys_id)) = self.next_autoclose()
            && due_ms <= now_ms
        {
            let Some(session) = Session::system(&self.instance) else {
                return;
            };
            let write = Write {
                session: &session,
                now_ms,
                lag_ms: self.faults.read_lag_ms(),
                display_values: false,
            };
            let input = [("state".to_owned(), CLOSED.to_owned())].into();
            match self.instance.update("incident", &sys_id, &input, &write) {
                Ok(written) => self.after_write("incident", &session, &written, now_ms),
                // It was given another resolution while it was resolved.
                Err(_) => return,
            }
        }
    }

    /// The incident that is closed next, and when.
    pub(super) fn next_autoclose(&self) -> Option<(u64, String)> {
        let next = &self.instance.next_autoclose;
        next.get_or_init(|| self.find_next_autoclose()).clone()
    }

    fn find_next_autoclose(&self) -> Option<(u64, String)> {
        let days = u64::from(self.instance.options.autoclose_after_days?);
        self.instance
            .records("incident")
            .filter(|incident| value(incident, "state") == RESOLVED)
            .filter_map(|incident| {
                let resolved_ms = stamp::ms(value(incident, "resolved_at"))?;
                let sys_id = value(incident, "sys_id").to_owned();
                Some((resolved_ms + days * DAY_MS, sys_id))
            })
            .min()
    }
}
