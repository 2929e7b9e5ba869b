//! Reads the sources in order and merges them. The environment is a provider of our own: the process environment is
//! passed in, and names that other programs own (`STEPFLEET_PORT` from an orchestrator) are left alone.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use figment::providers::{Format as _, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};

use super::{AccessKey, Args, Auth, Config, ConfigError};

const PREFIX: &str = "STEPFLEET_";

/// Keys outside any section: an environment variable without `__` counts only when it names one of them, because
/// clients and orchestrators set other `STEPFLEET_…` variables.
const PLAIN_KEYS: [&str; 11] = [
    "listen",
    "data",
    "ephemeral",
    "partitions",
    "role_default",
    "memory_budget_bytes",
    "retention_days",
    "disk_reserve_bytes",
    "shutdown_grace_s",
    "session_ttl_s",
    "integrations_file",
];

/// What stands below these keys is not repeated in errors.
const SECRET_KEYS: [&str; 2] = ["auth.access_keys", "connections"];

/// Merges all sources, unchecked.
pub(super) fn read(
    defaults: Config,
    args: &Args,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Config, ConfigError> {
    let mut figment = Figment::from(Serialized::defaults(defaults));
    if let Some(path) = &args.config {
        // The TOML provider takes a missing file for an empty one.
        std::fs::File::open(path).map_err(|source| ConfigError::File {
            path: path.clone(),
            source,
        })?;
        figment = figment.merge(Toml::file_exact(path));
    }
    for variable in environment.filter_map(|(name, value)| Variable::read(&name, &value)) {
        figment = figment.merge(variable);
    }
    merge_flags(figment, args)
        .extract()
        .map_err(|error| ConfigError::Source(describe(&error)))
}

/// Reads the file of access keys, where one is named.
pub(super) fn read_access_keys(auth: &mut Auth) -> Result<(), ConfigError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct KeyFile {
        access_keys: Vec<AccessKey>,
    }

    let Some(path) = &auth.access_keys_file else {
        return Ok(());
    };
    let refuse = |reason: String| ConfigError::AccessKeys {
        path: path.clone(),
        reason,
    };
    let file: KeyFile = read_secret(path).map_err(refuse)?;
    if file.access_keys.is_empty() {
        return Err(refuse("it holds no key".to_owned()));
    }
    auth.access_keys_filed = file.access_keys;
    Ok(())
}

/// Reads the file of connections and functions, where one is named.
pub(super) fn read_integrations(config: &mut Config) -> Result<(), ConfigError> {
    if let Some(path) = &config.integrations_file {
        config.filed = read_secret(path).map_err(|reason| ConfigError::Integrations {
            path: path.clone(),
            reason,
        })?;
    }
    Ok(())
}

/// A TOML file with secrets, which no error shows.
fn read_secret<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    toml::from_str(&text).map_err(|error| {
        // The whole error shows the line, which may be a secret's; its message may show a value that is quoted.
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        let message = error.message();
        let message = if message.starts_with("invalid type") || message.starts_with("invalid value")
        {
            "a value of the wrong type"
        } else {
            message
        };
        format!("{message} (line {line})")
    })
}

fn merge_flags(mut figment: Figment, args: &Args) -> Figment {
    if let Some(listen) = args.listen {
        figment = figment.merge(Serialized::default("listen", listen));
    }
    if let Some(data) = &args.data {
        figment = figment.merge(Serialized::default("data", data));
    }
    if let Some(path) = &args.access_keys {
        figment = figment.merge(Serialized::default("auth.access_keys_file", path));
    }
    if let Some(path) = &args.integrations {
        figment = figment.merge(Serialized::default("integrations_file", path));
    }
    if args.ephemeral {
        figment = figment.merge(Serialized::default("ephemeral", true));
    }
    if let Some(partitions) = args.partitions {
        figment = figment.merge(Serialized::default("partitions", partitions));
    }
    if let Some(level) = &args.log_level {
        figment = figment.merge(Serialized::default("log.level", level));
    }
    if let Some(format) = args.log_format {
        figment = figment.merge(Serialized::default("log.format", format));
    }
    figment
}

/// Every error of the merge with its key and where it was written.
fn describe(error: &figment::Error) -> String {
    let texts: Vec<String> = error
        .clone()
        .into_iter()
        .map(|error| describe_one(&error))
        .collect();
    texts.join("; ")
}

fn describe_one(error: &figment::Error) -> String {
    let mut key = error.path.join(".");
    if let figment::error::Kind::UnknownField(field, _) = &error.kind
        && error.path.last() != Some(field)
    {
        key = if key.is_empty() {
            field.clone()
        } else {
            format!("{key}.{field}")
        };
    }
    let mut text = if let figment::error::Kind::UnknownField(_, known) = &error.kind {
        format!("unknown key `{key}` (known here: {})", known.join(", "))
    } else if let figment::error::Kind::InvalidType(_, expected) = &error.kind
        && SECRET_KEYS.iter().any(|secret| key.starts_with(secret))
    {
        format!("`{key}` must be {expected}")
    } else if key.is_empty() {
        without_excerpt(&error.kind.to_string())
    } else {
        format!("`{key}`: {}", error.kind)
    };
    if let Some(metadata) = &error.metadata {
        text.push_str(" in ");
        match &metadata.source {
            Some(source) => text.push_str(&source.to_string()),
            None => text.push_str(&metadata.name),
        }
    }
    text
}

/// What the TOML parser says without the line that it shows, which may be a secret's. The line's number stays.
fn without_excerpt(text: &str) -> String {
    let excerpt = |line: &&str| {
        let rest = line
            .trim_start()
            .trim_start_matches(|c: char| c.is_ascii_digit());
        rest.trim_start().starts_with('|')
    };
    let lines: Vec<&str> = text.lines().filter(|line| !excerpt(line)).collect();
    lines.join(": ")
}

/// One environment variable that sets something.
struct Variable {
    name: String,
    key: String,
    value: Value,
}

impl Variable {
    fn read(name: &OsString, value: &OsString) -> Option<Self> {
        let (name, value) = (name.to_str()?, value.to_str()?);
        let key = name.strip_prefix(PREFIX)?.to_lowercase();
        if !key.contains("__") && !PLAIN_KEYS.contains(&key.as_str()) {
            return None;
        }
        // The parser cannot fail: what is no number, boolean, list or table is a string.
        let value = value
            .parse()
            .unwrap_or_else(|_: std::convert::Infallible| Value::from(value));
        Some(Self {
            name: name.to_owned(),
            key: key.replace("__", "."),
            value,
        })
    }
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(format!("the environment variable {}", self.name))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let nested = figment::util::nest(&self.key, self.value.clone());
        let dict = nested.into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}

/// An account id: a string, or the number that an unquoted one is taken for.
pub(super) fn account<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct AccountVisitor;

    impl Visitor<'_> for AccountVisitor {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an account id of twelve digits")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<String, E> {
            Ok(format!("{number:012}"))
        }

        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<String, E> {
            u64::try_from(number)
                .map_err(E::custom)
                .and_then(|number| self.visit_u64(number))
        }
    }

    deserializer.deserialize_any(AccountVisitor)
}

/// The same where it may be absent.
pub(super) fn account_option<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    struct Wrapped(#[serde(deserialize_with = "account")] String);

    let value: Option<Wrapped> = Option::deserialize(deserializer).map_err(D::Error::custom)?;
    Ok(value.map(|Wrapped(text)| text))
}
