//! Where callback URLs lead, and how long they count.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use serde::{Deserialize, Serialize};

use super::Config;

/// Ten years; beyond it is a slip.
const EXPIRY_HOURS_MAX: u32 = 87_600;

/// `$$.Task.CallbackUrl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Callbacks {
    /// By which people and partners reach this coordinator: `https://host:port`, and a path where a proxy adds one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
    /// How long a URL counts, whatever its task does.
    #[serde(default = "expiry_hours")]
    pub expiry_hours: u32,
    /// Whether the listen address is good enough where no URL is set.
    #[serde(skip)]
    pub at_listen: bool,
}

impl Default for Callbacks {
    fn default() -> Self {
        Self {
            url: None,
            expiry_hours: expiry_hours(),
            at_listen: false,
        }
    }
}

/// A week.
fn expiry_hours() -> u32 {
    168
}

impl Callbacks {
    pub(super) fn check(&self, faults: &mut Vec<String>) {
        if !(1..=EXPIRY_HOURS_MAX).contains(&self.expiry_hours) {
            faults.push(format!(
                "callbacks.expiry_hours must be 1 to {EXPIRY_HOURS_MAX}"
            ));
        }
        if let Some(url) = &self.url
            && let Err(why) = check_url(url)
        {
            faults.push(format!(
                "callbacks.url `{url}` {why}; write it like \"https://stepfleet.example.com\""
            ));
        }
    }
}

fn check_url(url: &str) -> Result<(), &'static str> {
    let uri: Uri = url.parse().map_err(|_error| "is no URL")?;
    let host = uri.host().unwrap_or_default();
    if host.is_empty()
        || uri
            .authority()
            .is_some_and(|whole| whole.as_str().contains('@'))
    {
        return Err("must name a host, and nobody's name or password");
    }
    if uri.query().is_some() || url.contains('#') {
        return Err("must end with its path");
    }
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let is_local = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_local => Ok(()),
        Some("http") => Err("would be sent unencrypted, and whoever sees it can complete the task"),
        Some(_) | None => Err("must begin with https://"),
    }
}

impl Config {
    /// Takes the address that is listened on for the URL of callbacks, where that was asked for and it names a host.
    pub(crate) fn know_address(&mut self, listen: SocketAddr) {
        let callbacks = &mut self.callbacks;
        if callbacks.at_listen && callbacks.url.is_none() && !listen.ip().is_unspecified() {
            let scheme = if self.tls.certificate.is_some() {
                "https"
            } else {
                "http"
            };
            callbacks.url = Some(format!("{scheme}://{listen}"));
        }
    }
}
