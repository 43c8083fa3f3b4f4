//! How one instance differs from another.
//!
//! The defaults are those of a fresh instance with the integration user that
//! the set-up guide asks for. Where public sources disagree about what an
//! instance does, there is an option, and a client should survive either.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::business_rule::BusinessRule;
use super::custom_field::CustomField;
use super::ui_action::UiAction;

/// The configuration of a simulated instance.
#[derive(Clone, Debug)]
pub struct Options {
    /// Chooses the sys_ids and tokens that the instance makes up.
    pub seed: u64,
    /// The URL in links; by default that of the request's `Host`.
    pub base_url: Option<String>,
    /// Language of labels, `en` or `de`, for users who prefer none.
    pub language: String,
    /// User name of the integration user.
    pub integration_user: String,
    /// Its password, for basic authentication and the password grant.
    pub integration_password: String,
    /// Its roles.
    pub integration_roles: BTreeSet<String>,
    /// Whether it is barred from the user interface, as a machine's account
    /// should be. Lifts the restriction of basic authentication.
    pub web_service_access_only: bool,
    /// Password of `admin` and of the seeded people.
    pub people_password: String,
    /// Keys for `x-sn-apikey`, each with the user name it acts as.
    pub api_keys: BTreeMap<String, String>,
    /// Clients of `/oauth_token.do`.
    pub oauth_clients: Vec<OAuthClient>,
    /// How long an access token lives, in seconds.
    pub access_token_life_s: u64,
    /// Enforces that basic authentication works only for accounts with web
    /// service access only, or with role `snc_basic_auth_api_access`.
    pub basic_auth_restriction: bool,
    /// Whether that restriction spares accounts with web service access only.
    pub restriction_spares_machines: bool,
    /// Whether only `admin` reads `sys_journal_field`; others see no rows.
    pub hide_journal: bool,
    /// Whether only `admin` reads `sys_choice`; others see no rows.
    pub hide_choices: bool,
    /// Whether a POST may choose the sys_id of its record.
    pub accept_caller_sys_id: bool,
    /// Whether a query with an unknown field finds nothing, instead of
    /// ignoring that condition and finding more.
    pub invalid_query_returns_no_rows: bool,
    /// Columns of `incident` that only `admin` may write; what others send
    /// for them is dropped without a word.
    pub read_only_fields: BTreeSet<String>,
    /// Columns of `incident` that only `admin` may read; they are missing
    /// from the records that others get.
    pub unreadable_fields: BTreeSet<String>,
    /// Columns of `incident` that only `admin` may name in a query; others are
    /// refused.
    pub unqueryable_fields: BTreeSet<String>,
    /// Columns of `incident` that a data policy makes mandatory.
    pub mandatory_fields: BTreeSet<String>,
    /// Whether a label counts as the value of a choice where values are
    /// expected.
    pub labels_as_values: bool,
    /// Whether only `admin` may change anything but the state of a closed or
    /// canceled incident; what others send is dropped without a word.
    pub closed_is_read_only: bool,
    /// After how many days a job closes what is resolved.
    pub autoclose_after_days: Option<u32>,
    /// Columns that this instance adds to `incident`; by default those of
    /// [`CustomField::examples`].
    pub custom_fields: Vec<CustomField>,
    /// Whether the choices of columns that `incident` has from `task` are
    /// those of `task`, and `task` has states of its own; else all choices
    /// are those of `incident`.
    pub choices_of_task: bool,
    /// The choices of `close_code`.
    pub close_codes: CloseCodes,
    /// Whether going On Hold needs `hold_reason` through the API too.
    pub hold_reason_mandatory: bool,
    /// What happens to a change of state that the user may not make.
    pub forbidden_state: ForbiddenState,
    /// Requests that a user may send per hour.
    pub rate_limit_per_hour: Option<u32>,
    /// System properties, which scripts read with `gs.getProperty`.
    pub properties: BTreeMap<String, String>,
    /// Script includes by name, as an administrator pastes them. Each is there
    /// for all scripts on the server, and for the browser's calls.
    pub script_includes: BTreeMap<String, String>,
    /// The rule that tells others of new and changed incidents.
    pub business_rule: Option<BusinessRule>,
    /// A button on the form of an incident.
    pub ui_action: Option<UiAction>,
}

impl Default for Options {
    fn default() -> Options {
        let integration_user = "flashduty".to_owned();
        Options {
            seed: 0,
            base_url: None,
            language: "en".to_owned(),
            integration_password: "flashduty-password".to_owned(),
            integration_roles: BTreeSet::from(["itil".to_owned()]),
            web_service_access_only: false,
            people_password: "people-password".to_owned(),
            api_keys: BTreeMap::from([("flashduty-api-key".to_owned(), integration_user.clone())]),
            oauth_clients: vec![OAuthClient {
                client_id: "flashduty-client".to_owned(),
                client_secret: "flashduty-client-secret".to_owned(),
                user: Some(integration_user.clone()),
                broadly_scoped: true,
            }],
            integration_user,
            access_token_life_s: 1800,
            basic_auth_restriction: false,
            restriction_spares_machines: true,
            hide_journal: false,
            hide_choices: false,
            accept_caller_sys_id: true,
            invalid_query_returns_no_rows: false,
            read_only_fields: BTreeSet::new(),
            unreadable_fields: BTreeSet::new(),
            unqueryable_fields: BTreeSet::new(),
            mandatory_fields: BTreeSet::new(),
            labels_as_values: false,
            closed_is_read_only: false,
            autoclose_after_days: None,
            custom_fields: CustomField::examples(),
            choices_of_task: false,
            close_codes: CloseCodes::Current,
            hold_reason_mandatory: false,
            forbidden_state: ForbiddenState::Refused,
            rate_limit_per_hour: None,
            properties: BTreeMap::new(),
            script_includes: BTreeMap::new(),
            business_rule: None,
            ui_action: None,
        }
    }
}

/// An application that may ask for tokens.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    /// Names it.
    pub client_id: String,
    /// Proves it.
    pub client_secret: String,
    /// Whom it acts as with `client_credentials`; none refuses that grant.
    pub user: Option<String>,
    /// Whether it may use APIs that belong to no application, such as the
    /// Table API. New clients may not until somebody says so.
    pub broadly_scoped: bool,
}

/// The generation of an instance's resolution codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCodes {
    /// Those of instances installed since the San Diego release.
    Current,
    /// Those of older instances.
    Legacy,
    /// An upgraded instance that shows both.
    Both,
}

/// What happens when a user without the role closes an incident, or anybody
/// reopens a closed or canceled one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForbiddenState {
    /// The whole write is refused with 403.
    Refused,
    /// The state stays, the other fields are written.
    Dropped,
}
