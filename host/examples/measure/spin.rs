//! The same webhooks to the Spin gateway, in a host that stands in for Spin.

use crate::TOKEN;
use crate::table::heading;
use crate::table::line;
use crate::webhook::Medians;
use crate::webhook::rounds;
use spin_like::manifest::Application;
use spin_like::server::Loaded;
use spin_like::server::Server;
use std::collections::BTreeMap;
use std::path::Path;

/// What an instance gets.
const MEMORY_BYTES: usize = 256 << 20;

/// Both builds that `cargo xtask dist` makes, with SQLite; `host` is what the
/// same took the host.
pub(crate) async fn measure(configuration: &str, host: Medians) -> anyhow::Result<()> {
    for (manifest, interfaces) in [("spin.toml", "WASI 0.2"), ("spin.p3.toml", "WASI 0.3")] {
        heading(&format!("the same in the Spin gateway for {interfaces}"));
        let folder = tempfile::tempdir()?;
        let loaded = Loaded::new(application(manifest, configuration)?, folder.path())?;
        let server = Server::start(&loaded, folder.path(), MEMORY_BYTES).await?;
        let medians = rounds(server.address()).await?;
        for (spin, host) in medians.into_iter().zip(host) {
            let times = spin.as_secs_f64() / host.as_secs_f64();
            line("times what it takes the host", format!("{times:.1}"));
        }
    }
    Ok(())
}

fn application(manifest: &str, configuration: &str) -> anyhow::Result<Application> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let given = BTreeMap::from([
        ("sync_config".to_owned(), configuration.to_owned()),
        (
            "servicenow_origin".to_owned(),
            "https://servicenow.example".to_owned(),
        ),
    ]);
    let mut application = Application::read(&root.join(manifest), &given)?;
    let token = ("token".to_owned(), TOKEN.to_owned());
    application.variables.extend([token]);
    Ok(application)
}
