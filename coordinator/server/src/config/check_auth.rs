//! Says no to principals that could do nothing, and to policies that cannot be read, before anything is served.

use std::collections::BTreeSet;

use super::auth::Rights;
use super::check::is_account;
use super::{ClientAuth, Config};
use crate::auth::{Policy, jwt};

/// Names of policies and credentials: what can stand in an ARN and on a command line.
pub(crate) const NAME_CHARS_MAX: usize = 128;

pub(super) fn check(config: &Config, faults: &mut Vec<String>) {
    let auth = &config.auth;
    for key in &auth.keys {
        check_rights(&format!("auth.keys: `{}`", key.name), &key.rights, faults);
    }
    for key in auth.all_access_keys() {
        let whose = format!("auth.access_keys: `{}`", key.id);
        check_rights(&whose, &key.rights, faults);
    }
    for rule in &auth.certificates {
        let whose = format!("auth.certificates: `{}`", rule.name);
        check_rights(&whose, &rule.rights, faults);
    }
    for issuer in &auth.issuers {
        jwt::check(issuer, faults);
        let given = issuer.rules.iter().flat_map(|rule| &rule.policies);
        for name in issuer.policies_allowed.iter().chain(given) {
            if !is_policy_name(name) {
                faults.push(format!(
                    "auth.issuers: `{}`: `{name}` is no name of a policy",
                    issuer.name
                ));
            }
        }
    }
    let certificates = config.tls.client_auth != ClientAuth::None;
    if certificates
        && auth.certificates.is_empty()
        && auth.keys.is_empty()
        && auth.issuers.is_empty()
    {
        faults.push(
            "tls.client_auth is set, and no certificate may do anything. Say whose may do what:\n\n\
             [[auth.certificates]]\nname = \"*\"  # or spiffe://example.org/worker/*\npolicies = [\"administrator\"]\n"
                .to_owned(),
        );
    }
    check_documents(config, faults);
}

fn check_rights(whose: &str, rights: &Rights, faults: &mut Vec<String>) {
    let policies = &rights.policies;
    if policies.is_empty() {
        let ready: Vec<&str> = Policy::ready_made().collect();
        faults.push(format!(
            "{whose} has no policies, so that it may do nothing: write policies = [\"administrator\"], or others of {}",
            ready.join(", ")
        ));
    }
    for name in policies.iter().filter(|name| !is_policy_name(name)) {
        faults.push(format!("{whose}: `{name}` is no name of a policy"));
    }
    if let Some(namespace) = &rights.namespace
        && !is_account(namespace)
    {
        faults.push(format!(
            "{whose}: namespace `{namespace}` is not twelve digits"
        ));
    }
}

fn check_documents(config: &Config, faults: &mut Vec<String>) {
    let mut names: BTreeSet<&str> = Policy::ready_made().collect();
    for policy in &config.auth.policies {
        let name = &policy.name;
        if !is_policy_name(name) {
            faults.push(format!(
                "auth.policies: the name `{name}` may hold letters, digits and `-_.@+=,` only, {NAME_CHARS_MAX} at most"
            ));
        }
        if !names.insert(name) {
            faults.push(format!("auth.policies: the name `{name}` is taken"));
        }
        if policy.document.is_some() == policy.file.is_some() {
            faults.push(format!(
                "auth.policies: `{name}` needs `document` or `file`"
            ));
        }
        // A file is read when the coordinator starts.
        if let Some(text) = &policy.document
            && let Err(fault) = Policy::read(text)
        {
            faults.push(format!("auth.policies: `{name}`: {fault}"));
        }
    }
}

/// As IAM has it.
pub(crate) fn is_policy_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@+=,".contains(&byte);
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(plain)
}
