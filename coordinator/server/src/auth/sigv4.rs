//! Reads the credential of an AWS Signature Version 4 header. Nothing is verified here: this release only learns who
//! the client says it is, which counts where nobody has to prove it.

/// `Credential=<access key id>/<date>/<region>/<service>/aws4_request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credential<'a> {
    pub access_key_id: &'a str,
    /// `YYYYMMDD`.
    pub date: &'a str,
    pub region: &'a str,
    pub service: &'a str,
}

/// The credential of what follows `AWS4-HMAC-SHA256` in the header; `None` when it is not there whole, or when the
/// signature or its header list is missing.
pub(crate) fn parse_credential(parameters: &str) -> Option<Credential<'_>> {
    let find = |name: &str| {
        parameters
            .split(',')
            .find_map(|part| part.trim().strip_prefix(name))
            .filter(|value| !value.is_empty())
    };
    find("SignedHeaders=")?;
    find("Signature=")?;
    // The access key id is ours to choose and may hold a slash; the four parts of the scope may not.
    let mut parts = find("Credential=")?.rsplitn(5, '/');
    let terminator = parts.next()?;
    let (service, region, date, access_key_id) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let complete = ![service, region, date, access_key_id]
        .iter()
        .any(|part| part.is_empty());
    (terminator == "aws4_request" && complete).then_some(Credential {
        access_key_id,
        date,
        region,
        service,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credential_of_a_signed_request_is_read() {
        let header = "Credential=AKIDEXAMPLE/20260101/us-east-1/states/aws4_request, \
                      SignedHeaders=host;x-amz-date, Signature=abc";
        let expect = Credential {
            access_key_id: "AKIDEXAMPLE",
            date: "20260101",
            region: "us-east-1",
            service: "states",
        };
        assert_eq!(parse_credential(header), Some(expect));
        assert_eq!(parse_credential(&header.replace(", ", ",")), Some(expect));
    }

    #[test]
    fn an_incomplete_header_has_no_credential() {
        for header in [
            "",
            "Credential=",
            "Credential=A/20260101/us-east-1/states/aws4_request",
            "Credential=A/20260101/us-east-1/states/aws4_request, Signature=abc",
            "Credential=A/us-east-1/states/aws4_request, SignedHeaders=host, Signature=abc",
            "Credential=A/20260101//states/aws4_request, SignedHeaders=host, Signature=abc",
            "Credential=A/20260101/us-east-1/states/aws3_request, SignedHeaders=host, Signature=abc",
        ] {
            assert_eq!(parse_credential(header), None, "{header}");
        }
    }
}
