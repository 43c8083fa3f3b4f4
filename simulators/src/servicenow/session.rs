//! Who is asking: accounts, roles, and how a user sees times.

use std::collections::BTreeSet;

use super::instance::Instance;
use super::instance::value;
use super::stamp::TimeStyle;

/// What `sys_user` does not show of a user.
#[derive(Clone, Debug)]
pub(super) struct Account {
    /// Of the record in `sys_user`.
    pub(super) sys_id: String,
    pub(super) password: String,
    pub(super) roles: BTreeSet<String>,
}

/// An authenticated user for the length of one request.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) user_name: String,
    pub(super) user_id: String,
    roles: BTreeSet<String>,
    /// Whether it is the platform itself, which no policy binds.
    pub(super) is_platform: bool,
    /// Of the labels that the user sees.
    pub(super) language: String,
    pub(super) times: TimeStyle,
}

impl Session {
    /// A session of a user, if there is one of that name.
    pub(super) fn of(instance: &Instance, user_name: &str) -> Option<Session> {
        let account = instance.accounts.get(user_name)?;
        let user = instance.record("sys_user", &account.sys_id)?;
        let language = match value(user, "preferred_language") {
            "" => &instance.options.language,
            preferred => preferred,
        };
        Some(Session {
            user_name: user_name.to_owned(),
            user_id: account.sys_id.clone(),
            roles: account.roles.clone(),
            is_platform: false,
            language: language.to_owned(),
            times: TimeStyle::new(value(user, "time_zone"), value(user, "date_format")),
        })
    }

    /// The session of the platform's own jobs.
    pub(super) fn system(instance: &Instance) -> Option<Session> {
        let mut session = Session::of(instance, "admin")?;
        "system".clone_into(&mut session.user_name);
        session.is_platform = true;
        Some(session)
    }

    /// Shows labels and times as to somebody who has chosen nothing.
    pub(super) fn show_as_system(&mut self, language: &str) {
        language.clone_into(&mut self.language);
        self.times = TimeStyle::new("", "");
    }

    /// The same user as scripts on the server act: no access control holds.
    pub(super) fn unbound(&self) -> Session {
        let mut session = self.clone();
        session.roles.insert("admin".to_owned());
        session
    }

    pub(super) fn is_admin(&self) -> bool {
        self.roles.contains("admin")
    }

    /// Whether the user has one of the roles; `admin` has them all.
    pub(super) fn has_any(&self, roles: &[&str]) -> bool {
        self.is_admin() || roles.iter().any(|role| self.roles.contains(*role))
    }

    pub(super) fn may_read_incidents(&self) -> bool {
        self.has_any(&["itil", "sn_incident_read", "sn_incident_write"])
    }

    pub(super) fn may_write_incidents(&self) -> bool {
        self.has_any(&["itil", "sn_incident_write"])
    }
}

/// Whether a user may log in at all.
pub(super) fn is_usable(instance: &Instance, account: &Account) -> bool {
    instance
        .record("sys_user", &account.sys_id)
        .is_some_and(|user| value(user, "active") == "true" && value(user, "locked_out") != "true")
}
