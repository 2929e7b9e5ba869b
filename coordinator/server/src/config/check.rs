//! Says no to configurations that make no sense or would expose the coordinator, and what to write instead.

use std::collections::BTreeSet;

use super::{
    ApiKey, Auth, ClientAuth, Config, ConfigError, Limits, Tls, check_auth, check_outbound,
};

/// Partitions are numbered with 16 bits of hash; more than this would make single-digit shares.
const PARTITIONS_MAX: u16 = 4096;
const PAYLOAD_BYTES_MAX: usize = 16 << 20;
/// AWS's secrets have 40 characters; what is much shorter can be guessed.
const SECRET_CHARS_MIN: usize = 16;

impl Config {
    /// Refuses what makes no sense, all of it at once. The TLS files are read when the listener is built.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with one line for each fault.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let mut faults = Vec::new();
        check_exposure(self, &mut faults);
        check_tls(&self.tls, &mut faults);
        check_keys(&self.auth.keys, &mut faults);
        check_access_keys(&self.auth, &mut faults);
        check_auth::check(self, &mut faults);
        self.audit.check(&mut faults);
        check_arn(self, &mut faults);
        check_limits(&self.limits, &mut faults);
        check_numbers(self, &mut faults);
        check_outbound::check(self, &mut faults);
        self.callbacks.check(&mut faults);
        self.execution_log.check(&mut faults);
        self.status_events.check(&mut faults);
        self.tracing.check(&mut faults);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(ConfigError::Invalid(faults))
        }
    }
}

fn check_exposure(config: &Config, faults: &mut Vec<String>) {
    let encrypted = config.tls.certificate.is_some();
    let authenticated = config.authentication();
    if config.listen.ip().is_loopback() || (encrypted && authenticated) {
        return;
    }
    let mut text = format!(
        "listen = \"{}\" can be reached from other machines, which needs TLS and authentication. Add to the \
         configuration file:\n",
        config.listen
    );
    if !encrypted {
        text.push_str("\n[tls]\ncertificate = \"server.crt\"\nkey = \"server.key\"\n");
    }
    if !authenticated {
        text.push_str(
            "\n[[auth.keys]]\nname = \"operator\"\npolicies = [\"administrator\"]\nsha256 = \"<64 hexadecimal digits>\"  \
             # printf %s \"$KEY\" | sha256sum\n\n\
             (or [[auth.access_keys]] with `id` and `secret` for AWS clients alone; or, for client certificates, `client_ca = \"clients.crt\"` and `client_auth = \"required\"` in [tls]),\n",
        );
    }
    text.push_str("or listen on 127.0.0.1 only");
    faults.push(text);
}

fn check_tls(tls: &Tls, faults: &mut Vec<String>) {
    match (&tls.certificate, &tls.key) {
        (Some(_), None) => faults.push("tls.certificate is set, tls.key is missing".to_owned()),
        (None, Some(_)) => faults.push("tls.key is set, tls.certificate is missing".to_owned()),
        (None, None) if tls.client_auth != ClientAuth::None => faults
            .push("tls.client_auth needs tls.certificate and tls.key: client certificates come with TLS only".into()),
        (None, None) | (Some(_), Some(_)) => {}
    }
    match (&tls.client_ca, tls.client_auth) {
        (None, ClientAuth::Optional | ClientAuth::Required) => {
            faults.push(
                "tls.client_auth is set, tls.client_ca (whom to believe) is missing".to_owned(),
            );
        }
        (Some(_), ClientAuth::None) => faults.push(
            "tls.client_ca is set, tls.client_auth is \"none\": write \"required\" or \"optional\""
                .to_owned(),
        ),
        (None, ClientAuth::None) | (Some(_), ClientAuth::Optional | ClientAuth::Required) => {}
    }
}

fn check_keys(keys: &[ApiKey], faults: &mut Vec<String>) {
    let mut names = BTreeSet::new();
    for key in keys {
        if key.name.is_empty() {
            faults.push("auth.keys: a key has an empty name".to_owned());
        }
        if !names.insert(&key.name) {
            faults.push(format!("auth.keys: the name `{}` is there twice", key.name));
        }
        if key.sha256.len() != 64 || !key.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            faults.push(format!(
                "auth.keys: sha256 of `{}` is not 64 hexadecimal digits; make it with: printf %s \"$KEY\" | sha256sum",
                key.name
            ));
        }
    }
}

fn check_access_keys(auth: &Auth, faults: &mut Vec<String>) {
    let mut ids = BTreeSet::new();
    for key in auth.all_access_keys() {
        let id = &key.id;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        if id.is_empty() || !id.bytes().all(plain) {
            faults.push(format!(
                "auth.access_keys: the id `{id}` may hold letters, digits, `-`, `_`, `.` and `@` only"
            ));
        }
        if !ids.insert(id) {
            faults.push(format!("auth.access_keys: the id `{id}` is there twice"));
        }
        if key.secret.0.len() < SECRET_CHARS_MIN {
            faults.push(format!(
                "auth.access_keys: the secret of `{id}` has less than {SECRET_CHARS_MIN} characters; make one with: \
                 openssl rand -base64 30"
            ));
        }
    }
}

fn check_arn(config: &Config, faults: &mut Vec<String>) {
    let arn = &config.arn;
    if !is_account(&arn.account) {
        faults.push(format!(
            "arn.account `{}` is not twelve digits",
            arn.account
        ));
    }
    for (name, part) in [
        ("arn.partition", &arn.partition),
        ("arn.region", &arn.region),
    ] {
        if part.is_empty()
            || !part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            faults.push(format!(
                "{name} `{part}` may hold letters, digits and `-` only"
            ));
        }
    }
    if !config.role_default.starts_with("arn:") {
        faults.push(format!(
            "role_default `{}` is not an ARN",
            config.role_default
        ));
    }
}

fn check_limits(limits: &Limits, faults: &mut Vec<String>) {
    if limits.payload_bytes_max == 0 || limits.payload_bytes_max > PAYLOAD_BYTES_MAX {
        faults.push(format!(
            "limits.payload_bytes_max must be 1 to {PAYLOAD_BYTES_MAX}"
        ));
    }
    if limits.definition_bytes_max == 0 || limits.definition_bytes_max > PAYLOAD_BYTES_MAX {
        faults.push(format!(
            "limits.definition_bytes_max must be 1 to {PAYLOAD_BYTES_MAX}"
        ));
    }
    let body_min = limits.payload_bytes_max.max(limits.definition_bytes_max);
    if limits.request_bytes_max < body_min {
        faults.push(format!(
            "limits.request_bytes_max must be at least {body_min}: a request carries a whole payload or definition, \
             escaped"
        ));
    }
    for (name, value) in [
        (
            "limits.pollers_per_activity_max",
            u64::from(limits.pollers_per_activity_max),
        ),
        ("limits.executions_open_max", limits.executions_open_max),
        ("limits.express_open_max", limits.express_open_max),
        (
            "limits.connections_max",
            u64::try_from(limits.connections_max).unwrap_or(u64::MAX),
        ),
        (
            "limits.connection_streams_max",
            u64::from(limits.connection_streams_max),
        ),
    ] {
        at_least_one(name, value, faults);
    }
}

fn check_numbers(config: &Config, faults: &mut Vec<String>) {
    if !config.partitions.is_power_of_two() || config.partitions > PARTITIONS_MAX {
        faults.push(format!(
            "partitions must be a power of two up to {PARTITIONS_MAX}"
        ));
    }
    for (name, value) in [
        ("memory_budget_bytes", config.memory_budget_bytes),
        ("retention_days", u64::from(config.retention_days)),
        ("session_ttl_s", config.session_ttl_s),
        ("checkpoint.interval_s", config.checkpoint.interval_s),
        ("checkpoint.log_bytes", config.checkpoint.log_bytes),
    ] {
        at_least_one(name, value, faults);
    }
}

pub(super) fn at_least_one(name: &str, value: u64, faults: &mut Vec<String>) {
    if value == 0 {
        faults.push(format!("{name} must be at least 1"));
    }
}

pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
