//! A ServiceNow instance on this machine, for tests and for evaluations.
#![expect(clippy::print_stdout, reason = "a program tells where it listens")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use clap::ValueEnum;
use simulators::server::Server;
use simulators::server::ServerOptions;
use simulators::servicenow;
use simulators::servicenow::BusinessRule;
use simulators::servicenow::CustomField;
use simulators::servicenow::CustomKind;
use simulators::servicenow::ServiceNow;
use simulators::servicenow::UiAction;

/// A ServiceNow instance on this machine: the Table API, the rules of the
/// Incident table, and the business rule that sends webhooks.
///
/// Everything is kept in memory and is gone when the program ends. The root
/// URL shows the incidents to people; /simulator/state tells scripts all
/// about the instance, and /simulator/faults makes it misbehave.
#[derive(Parser)]
#[command(
    name = "servicenow-simulator",
    version,
    after_help = "\
Examples:
  An instance whose incidents reach a gateway one second after each change:
    servicenow-simulator --business-rule-url http://127.0.0.1:8080/hook \\
        --business-rule-delay-ms 1000

  An instance as locked down as new ones are: basic authentication fails with
  the right password, journals read as empty, sys_ids are not the caller's:
    servicenow-simulator --basic-auth-restriction --hide-journal --own-sys-ids"
)]
struct Arguments {
    /// Address to listen on; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:8890", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// URL in links to the instance [default: that of each request's Host]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,

    /// User name of the integration user, who has the role itil
    #[arg(long, default_value = "flashduty", value_name = "NAME")]
    user: String,

    /// Password of the integration user
    #[arg(
        long,
        env = "SERVICENOW_SIMULATOR_PASSWORD",
        default_value = "flashduty-password",
        hide_env_values = true
    )]
    password: String,

    /// Where the business rule sends new and changed incidents; without it
    /// there is no rule
    #[arg(long, value_name = "URL")]
    business_rule_url: Option<String>,

    /// A header that the rule's script sets, such as "Authorization: Bearer
    /// x"; may be repeated
    #[arg(long, value_name = "NAME: VALUE", value_parser = header, requires = "business_rule_url")]
    business_rule_header: Vec<(String, String)>,

    /// Milliseconds from a write to its webhook; real instances take 3 to 10
    /// seconds
    #[arg(long, default_value_t = 3000, value_name = "MS")]
    business_rule_delay_ms: u64,

    /// A column that the rule adds to its body; may be repeated
    #[arg(long, value_name = "COLUMN", requires = "business_rule_url")]
    business_rule_field: Vec<String>,

    /// User whose own writes the rule does not send
    #[arg(long, value_name = "NAME", requires = "business_rule_url")]
    business_rule_skip_user: Option<String>,

    /// Key by which the rule signs its webhooks, as whsec_ and Base64
    #[arg(long, value_name = "SECRET", value_parser = signing_key, requires = "business_rule_url")]
    business_rule_secret: Option<Key>,

    /// File with the script of the rule, run as it is; it decides itself what
    /// it sends where
    #[arg(long, value_name = "FILE")]
    business_rule_script: Option<PathBuf>,

    /// Condition of the rule, such as "gs.getUserName() != 'flashduty'"
    #[arg(long, value_name = "SCRIPT")]
    business_rule_condition: Option<String>,

    /// A system property that scripts read; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = property)]
    property: Vec<(String, String)>,

    /// File with a script include of the same name; may be repeated
    #[arg(long, value_name = "FILE")]
    script_include: Vec<PathBuf>,

    /// File with the script of a form button that runs onClick() in the
    /// browser
    #[arg(long, value_name = "FILE", conflicts_with = "ui_action_server")]
    ui_action_client: Option<PathBuf>,

    /// File with the script of a form button that runs on the server
    #[arg(long, value_name = "FILE")]
    ui_action_server: Option<PathBuf>,

    /// Refuse basic authentication, as new instances do, unless the account
    /// has web service access only or role snc_basic_auth_api_access
    #[arg(long)]
    basic_auth_restriction: bool,

    /// Give the integration user web service access only, as a machine's
    /// account should have
    #[arg(long)]
    web_service_access_only: bool,

    /// Let only admin read sys_journal_field; others see no rows there
    #[arg(long)]
    hide_journal: bool,

    /// Let only admin read sys_choice; others see no rows there
    #[arg(long)]
    hide_choices: bool,

    /// Ignore the sys_id in a POST: the instance always chooses its own
    #[arg(long)]
    own_sys_ids: bool,

    /// Requests that a user may send per hour [default: no limit]
    #[arg(long, value_name = "REQUESTS")]
    rate_limit: Option<u32>,

    /// Language of labels, also in webhooks
    #[arg(long, value_enum, default_value_t = Language::En)]
    language: Language,

    /// Resolution codes of the instance
    #[arg(long, value_enum, default_value_t = CloseCodes::Current)]
    close_codes: CloseCodes,

    /// A text column to add to incidents beside the six that are there, as
    /// u_name:Label; may be repeated
    #[arg(long, value_name = "COLUMN:LABEL", value_parser = custom_field)]
    custom_field: Vec<CustomField>,

    /// Milliseconds by which every answer is held back
    #[arg(long, default_value_t = 0, value_name = "MS")]
    latency_ms: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Language {
    /// English
    En,
    /// German
    De,
}

#[derive(Clone, Copy, ValueEnum)]
enum CloseCodes {
    /// Those of instances installed since the San Diego release
    Current,
    /// Those of older instances
    Legacy,
    /// Those of an upgraded instance that shows both
    Both,
}

#[derive(Clone)]
struct Key(Vec<u8>);

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("expected a name, a colon and a value")?;
    let name = name.trim().to_ascii_lowercase();
    if name.is_empty() {
        return Err("expected a name before the colon".to_owned());
    }
    Ok((name, value.trim().to_owned()))
}

fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("expected a name, = and a value")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn script(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn signing_key(text: &str) -> Result<Key, String> {
    let encoded = text
        .strip_prefix("whsec_")
        .ok_or("expected whsec_ and the key in Base64")?;
    let key = STANDARD.decode(encoded);
    key.map(Key)
        .map_err(|error| format!("after whsec_: {error}"))
}

fn custom_field(text: &str) -> Result<CustomField, String> {
    let (name, label) = text.split_once(':').unwrap_or((text, text));
    let is_custom = name.starts_with("u_") || name.starts_with("x_");
    if !is_custom
        || !name
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    {
        return Err(
            "expected a column such as u_service: u_ or x_, then small letters, digits and _"
                .to_owned(),
        );
    }
    Ok(CustomField::new(name, label.trim(), CustomKind::Text(255)))
}

impl Arguments {
    fn instance(&self) -> anyhow::Result<servicenow::Options> {
        let defaults = servicenow::Options::default();
        let mut oauth_clients = defaults.oauth_clients.clone();
        for client in &mut oauth_clients {
            client.user = Some(self.user.clone());
        }
        let api_keys = defaults.api_keys.into_keys();
        Ok(servicenow::Options {
            base_url: self.base_url.clone(),
            language: match self.language {
                Language::En => "en".to_owned(),
                Language::De => "de".to_owned(),
            },
            integration_user: self.user.clone(),
            integration_password: self.password.clone(),
            web_service_access_only: self.web_service_access_only,
            api_keys: api_keys.map(|key| (key, self.user.clone())).collect(),
            oauth_clients,
            basic_auth_restriction: self.basic_auth_restriction,
            hide_journal: self.hide_journal,
            hide_choices: self.hide_choices,
            accept_caller_sys_id: !self.own_sys_ids,
            custom_fields: [CustomField::examples(), self.custom_field.clone()].concat(),
            close_codes: match self.close_codes {
                CloseCodes::Current => servicenow::CloseCodes::Current,
                CloseCodes::Legacy => servicenow::CloseCodes::Legacy,
                CloseCodes::Both => servicenow::CloseCodes::Both,
            },
            rate_limit_per_hour: self.rate_limit,
            properties: self.property.iter().cloned().collect(),
            script_includes: self.script_includes()?,
            business_rule: self.business_rule()?,
            ui_action: self.ui_action()?,
            ..servicenow::Options::default()
        })
    }

    fn script_includes(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let read = |path: &PathBuf| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            Ok((name.into_owned(), script(path)?))
        };
        self.script_include.iter().map(read).collect()
    }

    fn business_rule(&self) -> anyhow::Result<Option<BusinessRule>> {
        let file = self.business_rule_script.as_deref();
        if self.business_rule_url.is_none() && file.is_none() {
            return Ok(None);
        }
        let url = self.business_rule_url.clone().unwrap_or_default();
        Ok(Some(BusinessRule {
            headers: self.business_rule_header.clone(),
            delay_ms: self.business_rule_delay_ms,
            extra_fields: self.business_rule_field.clone(),
            skip_user: self.business_rule_skip_user.clone(),
            signing_key: self.business_rule_secret.clone().map(|key| key.0),
            condition: self.business_rule_condition.clone(),
            script: file.map(script).transpose()?,
            ..BusinessRule::to(url)
        }))
    }

    fn ui_action(&self) -> anyhow::Result<Option<UiAction>> {
        let client = self.ui_action_client.as_deref();
        let Some(path) = client.or(self.ui_action_server.as_deref()) else {
            return Ok(None);
        };
        Ok(Some(UiAction {
            client: client.is_some(),
            onclick: "onClick();".to_owned(),
            script: script(path)?,
        }))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let options = arguments.instance()?;
    let people_password = options.people_password.clone();
    let server = Server::start(
        ServiceNow::new(options),
        ServerOptions {
            listen: arguments.listen,
            latency: Duration::from_millis(arguments.latency_ms),
        },
    )
    .await?;
    let url = server.url();
    let (user, password) = (&arguments.user, &arguments.password);
    println!("ServiceNow simulator at {url}");
    println!("  integration user   {user} / {password}");
    println!(
        "  people             admin, abel.tuter, beth.anglin, ana.silva, bo.chen / {people_password}"
    );
    println!("  OAuth client       flashduty-client / flashduty-client-secret");
    println!("  API key            x-sn-apikey: flashduty-api-key");
    match (
        &arguments.business_rule_script,
        &arguments.business_rule_url,
    ) {
        (Some(script), _) => println!("  business rule      runs {}", script.display()),
        (None, Some(target)) => println!("  business rule      sends to {target}"),
        (None, None) => println!(
            "  business rule      none; see --business-rule-url and --business-rule-script"
        ),
    }
    println!();
    println!("Create an incident as a person would:");
    println!(
        "  curl -u abel.tuter:{people_password} --json '{{\"short_description\":\"Disk full\",\"urgency\":\"1\"}}' {url}/api/now/table/incident"
    );
    println!("See it:");
    println!("  {url}/");
    tokio::signal::ctrl_c()
        .await
        .context("cannot wait for the signal to end")?;
    server.stop().await;
    Ok(())
}
