//! Says no to connections and functions that could never be used.

use std::collections::BTreeSet;

use http::{HeaderName, Uri};

use super::Config;
use super::check::is_account;
use super::outbound::{Connection, Function, Http, Parameter, Place};

pub(super) fn check(config: &Config, faults: &mut Vec<String>) {
    check_http(&config.http, faults);
    let mut names = BTreeSet::new();
    for connection in config.all_connections() {
        check_connection(connection, faults);
        let namespace = config.namespace_of(connection.namespace.as_deref());
        if !names.insert((namespace, &connection.name)) {
            faults.push(format!("connections: `{}` is there twice", connection.name));
        }
    }
    let mut functions = BTreeSet::new();
    for function in config.all_functions() {
        check_function(config, function, faults);
        let namespace = config.namespace_of(function.namespace.as_deref());
        if !functions.insert((namespace, &function.name)) {
            faults.push(format!("functions: `{}` is there twice", function.name));
        }
    }
}

fn check_http(http: &Http, faults: &mut Vec<String>) {
    if http.timeout_s == 0 || http.requests_max == 0 {
        faults.push("http.timeout_s and http.requests_max must be at least 1".to_owned());
    }
    for host in http.allow_hosts.iter().chain(&http.deny_hosts) {
        check_host("http.allow_hosts and http.deny_hosts", host, faults);
    }
}

fn check_host(setting: &str, host: &str, faults: &mut Vec<String>) {
    let name = host.strip_prefix("*.").unwrap_or(host);
    if name.is_empty() || name.contains(['*', '/', ' ', '@']) {
        faults.push(format!(
            "{setting}: `{host}` is neither a host (`api.example.com`) nor a family of them (`*.example.com`)"
        ));
    }
}

fn check_connection(connection: &Connection, faults: &mut Vec<String>) {
    let name = &connection.name;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        faults.push(format!(
            "connections: the name `{name}` must have 1 to 64 letters, digits, `-`, `_` and `.`"
        ));
    }
    check_namespace("connections", name, connection.namespace.as_deref(), faults);
    for host in &connection.hosts {
        check_host(&format!("connections: hosts of `{name}`"), host, faults);
    }
    let kinds = [
        connection.api_key.is_some(),
        connection.basic.is_some(),
        connection.oauth.is_some(),
    ];
    if kinds.into_iter().filter(|kind| *kind).count() > 1 {
        faults.push(format!(
            "connections: `{name}` may have only one of api_key, basic and oauth"
        ));
    }
    if let Some(key) = &connection.api_key {
        check_header(name, &key.name, faults);
    }
    check_parameters(name, &connection.parameters, faults);
    if let Some(oauth) = &connection.oauth {
        check_parameters(name, &oauth.parameters, faults);
        check_url(
            &format!("connections: oauth.endpoint of `{name}`"),
            &oauth.endpoint,
            faults,
        );
    }
    if let Some(tls) = &connection.tls
        && tls.certificate.is_some() != tls.key.is_some()
    {
        faults.push(format!(
            "connections: tls of `{name}` needs certificate and key together"
        ));
    }
}

fn check_parameters(connection: &str, parameters: &[Parameter], faults: &mut Vec<String>) {
    for parameter in parameters {
        match parameter.place {
            Place::Header => check_header(connection, &parameter.name, faults),
            Place::Query | Place::Body => {
                if parameter.name.is_empty() {
                    faults.push(format!(
                        "connections: a parameter of `{connection}` has no name"
                    ));
                }
            }
        }
    }
}

fn check_header(connection: &str, name: &str, faults: &mut Vec<String>) {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        faults.push(format!(
            "connections: `{name}` of `{connection}` is not the name of a header"
        ));
    }
}

fn check_function(config: &Config, function: &Function, faults: &mut Vec<String>) {
    let name = &function.name;
    check_namespace("functions", name, function.namespace.as_deref(), faults);
    match (&function.activity, &function.endpoint) {
        (None, None) | (Some(_), Some(_)) => faults.push(format!(
            "functions: `{name}` must have either an activity or an endpoint"
        )),
        (Some(_), None) if function.connection.is_some() => faults.push(format!(
            "functions: `{name}` has a connection, which needs an endpoint"
        )),
        (Some(_), None) => {}
        (None, Some(endpoint)) => {
            check_url(
                &format!("functions: endpoint of `{name}`"),
                endpoint,
                faults,
            );
        }
    }
    if let Some(wanted) = &function.connection {
        let namespace = config.namespace_of(function.namespace.as_deref());
        let mut connections = config.all_connections();
        let known = connections.any(|connection| {
            connection.name == *wanted
                && config.namespace_of(connection.namespace.as_deref()) == namespace
        });
        if !known {
            faults.push(format!(
                "functions: `{name}` names the connection `{wanted}`, which there is none of in its account"
            ));
        }
    }
}

fn check_url(setting: &str, url: &str, faults: &mut Vec<String>) {
    let sound = url.parse::<Uri>().is_ok_and(|uri| {
        let has_user = uri
            .authority()
            .is_some_and(|host| host.as_str().contains('@'));
        matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some() && !has_user
    });
    if !sound {
        faults.push(format!(
            "{setting} is not a URL, or one with a user name: write https://host/path"
        ));
    }
}

fn check_namespace(what: &str, name: &str, namespace: Option<&str>, faults: &mut Vec<String>) {
    if let Some(namespace) = namespace
        && !is_account(namespace)
    {
        faults.push(format!(
            "{what}: namespace `{namespace}` of `{name}` is not twelve digits"
        ));
    }
}
