//! The gateway's part of `sync.toml`, against what a plain integration needs.

use crate::lossy;
use crate::scene::CONFIGURATION;
use crate::scene::resolve;
use integration_gateway::Policy;
use integration_gateway::settings::Settings;
use servicenow_sync_native::requirements;
use servicenow_sync_plugin::configuration::Configuration;

pub(crate) fn run(data: &[u8]) {
    let Ok(settings) = toml::from_str::<Settings>(&lossy(data)) else {
        return;
    };
    let Ok(configuration) = Configuration::parse(CONFIGURATION) else {
        panic!("the scene's own configuration is refused");
    };
    let requirements = requirements(&configuration);
    match Policy::build(&settings, "fuzz", &requirements, &resolve) {
        // Whatever may come in must prove itself.
        Ok(_) => {
            let unproven = settings.webhook.iter().find(|webhook| {
                webhook.bearer.is_empty()
                    && webhook.header.is_none()
                    && webhook.url_token.is_empty()
                    && webhook.signature.is_none()
            });
            assert!(unproven.is_none(), "{unproven:?}");
        }
        Err(problems) => {
            let told = problems.iter().all(|problem| !problem.message.is_empty());
            assert!(told && !problems.is_empty(), "{problems:?}");
        }
    }
}
