//! The principal of a verified client certificate: its first URI name (SPIFFE), else its first DNS name, else the
//! common name of its subject. Verification was done by the TLS handshake.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

/// DER of the object identifier 2.5.4.3, `commonName`.
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];

/// DER tags of the string types that a common name may have: UTF8String, PrintableString, IA5String.
const STRING_TAGS: [u8; 3] = [0x0c, 0x13, 0x16];

/// The name that a certificate stands for; `None` when it has none, and then it authenticates nobody.
pub(crate) fn principal_of(certificate: &CertificateDer<'_>) -> Option<Arc<str>> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    let name = parsed
        .valid_uri_names()
        .next()
        .or_else(|| parsed.valid_dns_names().next())
        .or_else(|| common_name(parsed.subject()))?;
    Some(name.into())
}

/// The common name within the DER of a subject. Certificates are well-formed here, so the first identifier decides.
fn common_name(subject: &[u8]) -> Option<&str> {
    let at = subject
        .windows(COMMON_NAME.len())
        .position(|window| window == COMMON_NAME)?;
    let value = &subject[at + COMMON_NAME.len()..];
    let (&tag, &length) = (value.first()?, value.get(1)?);
    // A length of 128 or more would be in long form: no name that long is taken.
    if !STRING_TAGS.contains(&tag) || length >= 0x80 {
        return None;
    }
    let text = value.get(2..2 + usize::from(length))?;
    std::str::from_utf8(text)
        .ok()
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn principal(common_name: &str, names: Vec<SanType>) -> Option<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if !common_name.is_empty() {
            params
                .distinguished_name
                .push(DnType::OrganizationName, "Example");
            params
                .distinguished_name
                .push(DnType::CommonName, common_name);
        }
        params.subject_alt_names = names;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        principal_of(certificate.der()).map(|name| name.to_string())
    }

    #[test]
    fn a_uri_wins_over_a_dns_name_over_the_common_name() {
        let uri = SanType::URI("spiffe://example.org/worker".try_into().unwrap());
        let dns = SanType::DnsName("worker.example.org".try_into().unwrap());
        assert_eq!(
            principal("w", vec![dns.clone(), uri]).as_deref(),
            Some("spiffe://example.org/worker")
        );
        assert_eq!(
            principal("w", vec![dns]).as_deref(),
            Some("worker.example.org")
        );
        assert_eq!(principal("w", vec![]).as_deref(), Some("w"));
    }

    #[test]
    fn a_certificate_without_a_name_stands_for_nobody() {
        assert_eq!(principal("", vec![]), None);
    }
}
