//! Credentials and policies from canned data.

use stepfleet_sdk::api::access_service_server::AccessService;
use stepfleet_sdk::api::*;
use stepfleet_sdk::tonic::{self, Request};

use super::{Answer, Canned, ago, give, refuse};

fn credential(name: &str, kind: CredentialKind) -> Credential {
    Credential {
        name: name.into(),
        kind: kind.into(),
        policies: vec!["worker".into()],
        key_id: format!("id-of-{name}"),
        creation_date: ago(7200),
        ..Credential::default()
    }
}

#[tonic::async_trait]
impl AccessService for Canned {
    async fn issue_credential(
        &self,
        request: Request<IssueCredentialRequest>,
    ) -> Answer<IssueCredentialResponse> {
        let request = request.into_inner();
        if request.name == "taken" {
            return refuse("ConflictException", "Credential already exists: 'taken'");
        }
        let (kind, policies) = (request.kind(), request.policies.join("+"));
        let expires = request.expiration_date.is_some();
        let namespace = &request.namespace;
        self.note(format!(
            "issue {} {kind:?} {policies} {expires} {namespace}",
            request.name
        ));
        give(IssueCredentialResponse {
            credential: Some(Credential {
                policies: request.policies,
                expiration_date: request.expiration_date,
                ..credential(&request.name, kind)
            }),
            secret: "the-secret".into(),
        })
    }

    async fn list_credentials(
        &self,
        request: Request<ListCredentialsRequest>,
    ) -> Answer<ListCredentialsResponse> {
        let mut credentials = vec![
            Credential {
                last_used_date: ago(60),
                ..credential("builder", CredentialKind::ApiKey)
            },
            Credential {
                revocation_date: ago(30),
                ..credential("partner", CredentialKind::AccessKey)
            },
            Credential {
                expiration_date: ago(30),
                ..credential("trial", CredentialKind::ApiKey)
            },
            Credential {
                previous_until_date: ago(-3600),
                ..credential("website", CredentialKind::ApiKey)
            },
        ];
        if !request.into_inner().namespace.is_empty() {
            credentials.clear();
        }
        give(ListCredentialsResponse {
            credentials,
            next_page_token: String::new(),
        })
    }

    async fn rotate_credential(
        &self,
        request: Request<RotateCredentialRequest>,
    ) -> Answer<RotateCredentialResponse> {
        let request = request.into_inner();
        self.note(format!(
            "rotate {} {}",
            request.name, request.overlap_seconds
        ));
        give(RotateCredentialResponse {
            credential: Some(Credential {
                previous_until_date: (request.overlap_seconds > 0).then(|| ago(-60)).flatten(),
                ..credential(&request.name, CredentialKind::ApiKey)
            }),
            secret: "another-secret".into(),
        })
    }

    async fn revoke_credential(
        &self,
        request: Request<RevokeCredentialRequest>,
    ) -> Answer<RevokeCredentialResponse> {
        let name = request.into_inner().name;
        self.note(format!("revoke {name}"));
        give(RevokeCredentialResponse {
            credential: Some(Credential {
                revocation_date: ago(0),
                ..credential(&name, CredentialKind::ApiKey)
            }),
        })
    }

    async fn put_policy(&self, request: Request<PutPolicyRequest>) -> Answer<PutPolicyResponse> {
        let request = request.into_inner();
        self.note(format!("put {} {}", request.name, request.document.trim()));
        give(PutPolicyResponse {
            unknown_actions: vec!["states:StartExecutions".into()],
        })
    }

    async fn list_policies(&self, _: Request<ListPoliciesRequest>) -> Answer<ListPoliciesResponse> {
        let policy = |name: &str, origin: PolicyOrigin, update_date| PolicyInfo {
            name: name.into(),
            origin: origin.into(),
            update_date,
        };
        let policies = vec![
            policy("night-shift", PolicyOrigin::Stored, ago(600)),
            policy("partners", PolicyOrigin::Configuration, None),
            policy("worker", PolicyOrigin::ReadyMade, None),
        ];
        give(ListPoliciesResponse { policies })
    }

    async fn describe_policy(
        &self,
        request: Request<DescribePolicyRequest>,
    ) -> Answer<DescribePolicyResponse> {
        let name = request.into_inner().name;
        if name == "typo" {
            return refuse("ResourceNotFound", "Policy not found: 'typo'");
        }
        give(DescribePolicyResponse {
            policy: Some(PolicyInfo::default()),
            document: r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#
                .into(),
        })
    }

    async fn delete_policy(
        &self,
        request: Request<DeletePolicyRequest>,
    ) -> Answer<DeletePolicyResponse> {
        self.note(format!("delete policy {}", request.into_inner().name));
        give(DeletePolicyResponse {})
    }

    async fn test_policy(&self, request: Request<TestPolicyRequest>) -> Answer<TestPolicyResponse> {
        let request = request.into_inner();
        let decision = match request.resource.as_str() {
            "" => PolicyDecision::ImplicitDeny,
            "arn:secret" => PolicyDecision::ExplicitDeny,
            _ => PolicyDecision::Allowed,
        };
        give(TestPolicyResponse {
            decision: decision.into(),
            policies: vec!["worker".into(), "night-shift".into()],
        })
    }
}
