//! For the tests of deployments: a whole coordinator in this process, a folder for templates, and commands against it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::cli::testing::output_as;
use crate::cli::{Cli, Command, run};
use crate::config::Config;
use crate::face::testing;
use crate::metrics::Metrics;
use crate::net;
use crate::rpc::fleet::FleetFace;

/// A coordinator and a folder; both end with the test.
pub(super) struct World {
    url: String,
    folder: tempfile::TempDir,
}

/// What a command wrote.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: u8,
    pub(super) results: String,
    pub(super) remarks: String,
}

impl World {
    pub(super) async fn start() -> Self {
        let (face, _drain) = testing::face().await;
        let fleet = FleetFace {
            service: face.service.clone(),
            session_ttl: Duration::from_secs(10),
        };
        let (router, _health) = crate::rpc::routes(face, fleet).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let options = net::Options::new(&Config::default(), Metrics::default()).unwrap();
        let router = testing::admitting(router);
        let edge = CancellationToken::new();
        crate::task::spawn("listener", net::serve(listener, router, options, edge));
        let folder = tempfile::tempdir().unwrap();
        Self { url, folder }
    }

    /// Writes a file; its path.
    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Carries a command out; `DIR` in it is the folder.
    pub(super) async fn run(&self, command: &str) -> Ran {
        let folder = self.folder.path().to_str().unwrap();
        let command = format!("stepfleet --endpoint {} {command}", self.url);
        let words = command.split(' ').map(|word| word.replace("DIR", folder));
        let cli = Cli::try_parse_from(words).unwrap();
        let (mut output, written) = output_as(cli.global.format);
        let Command::Client(command) = &cli.command else {
            panic!("no client command")
        };
        let code = run(command, &cli.global, &mut output).await;
        Ran {
            code,
            results: written.results.text().replace(folder, "DIR"),
            remarks: written.remarks.text().replace(folder, "DIR"),
        }
    }

    /// The same, which succeeds; what it wrote.
    pub(super) async fn done(&self, command: &str) -> String {
        let ran = self.run(command).await;
        assert_eq!(ran.code, 0, "{command}: {}{}", ran.results, ran.remarks);
        ran.results
    }

    /// The same with a document for a result.
    pub(super) async fn document(&self, command: &str) -> Value {
        let text = self.done(&format!("{command} --output json")).await;
        serde_json::from_str(&text).unwrap()
    }

    /// The same, which fails; its remarks.
    pub(super) async fn refused(&self, command: &str) -> String {
        let ran = self.run(command).await;
        assert_ne!(ran.code, 0, "{command}: {}{}", ran.results, ran.remarks);
        ran.remarks
    }

    /// `action logicalId properties` of everything in a plan that changes something.
    pub(super) async fn plan(&self, command: &str) -> Vec<String> {
        let document = self.document(&format!("{command} --plan")).await;
        let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
        let mut lines = Vec::new();
        for step in document["resources"].as_array().unwrap() {
            let properties: Vec<&str> = step["properties"]
                .as_array()
                .unwrap()
                .iter()
                .map(|p| p.as_str().unwrap())
                .collect();
            let (action, id) = (text(step, "action"), text(step, "logicalId"));
            let line = format!("{action} {id} {}", properties.join(" "));
            lines.push(line.trim_end().to_owned());
        }
        for removal in document["removals"].as_array().unwrap() {
            let (action, id) = (text(removal, "action"), text(removal, "logicalId"));
            let arn = text(removal, "arn");
            lines.push(format!(
                "{action} {id} {}",
                crate::cli::names::name_of(&arn)
            ));
        }
        lines.retain(|line| !line.starts_with("keep"));
        lines
    }
}
