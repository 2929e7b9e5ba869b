//! `AccessService`: who may work here, and what they may do.

use std::sync::Arc;

use stepfleet_engine::Timestamp;
use stepfleet_proto::v1;
use stepfleet_proto::v1::access_service_server::AccessService;
use stepfleet_proto::v1::{
    DeletePolicyRequest, DeletePolicyResponse, DescribePolicyRequest, DescribePolicyResponse,
    IssueCredentialRequest, IssueCredentialResponse, ListCredentialsRequest,
    ListCredentialsResponse, ListPoliciesRequest, ListPoliciesResponse, PutPolicyRequest,
    PutPolicyResponse, RevokeCredentialRequest, RevokeCredentialResponse, RotateCredentialRequest,
    RotateCredentialResponse, TestPolicyRequest, TestPolicyResponse,
};
use tonic::{Request, Response, Status};

use super::call::Call;
use super::convert::{instant, page, present, timestamp};
use crate::auth::Decision;
use crate::auth::credentials::Issued;
use crate::auth::records::Kind;
use crate::face::Face;
use crate::service::access::{Issue, Origin, PolicyItem, WithSecret};
use crate::service::error::{ApiError, ErrorCode};

pub(super) struct Access(pub(super) Arc<Face>);

#[tonic::async_trait]
impl AccessService for Access {
    async fn issue_credential(
        &self,
        request: Request<IssueCredentialRequest>,
    ) -> Result<Response<IssueCredentialResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "IssueCredential", request)?;
        let answer = issue(&call, message).await;
        call.finish(answer.map(|made| IssueCredentialResponse {
            credential: Some(credential(&made.issued)),
            secret: made.secret,
        }))
    }

    async fn list_credentials(
        &self,
        request: Request<ListCredentialsRequest>,
    ) -> Result<Response<ListCredentialsResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "ListCredentials", request)?;
        let answer = list(&call, message);
        call.finish(answer)
    }

    async fn rotate_credential(
        &self,
        request: Request<RotateCredentialRequest>,
    ) -> Result<Response<RotateCredentialResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "RotateCredential", request)?;
        let (namespace, overlap_s) = (present(message.namespace), message.overlap_seconds);
        let service = call.service();
        let rotated =
            service.rotate_credential(&call.caller, namespace.as_deref(), &message.name, overlap_s);
        let answer = rotated.await;
        call.finish(answer.map(|made| RotateCredentialResponse {
            credential: Some(credential(&made.issued)),
            secret: made.secret,
        }))
    }

    async fn revoke_credential(
        &self,
        request: Request<RevokeCredentialRequest>,
    ) -> Result<Response<RevokeCredentialResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "RevokeCredential", request)?;
        let namespace = present(message.namespace);
        let service = call.service();
        let revoked = service.revoke_credential(&call.caller, namespace.as_deref(), &message.name);
        let answer = revoked.await;
        call.finish(answer.map(|issued| RevokeCredentialResponse {
            credential: Some(credential(&issued)),
        }))
    }

    async fn put_policy(
        &self,
        request: Request<PutPolicyRequest>,
    ) -> Result<Response<PutPolicyResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "PutPolicy", request)?;
        let (namespace, document) = (present(message.namespace), message.document);
        let service = call.service();
        let put = service.put_policy(&call.caller, namespace.as_deref(), &message.name, document);
        let answer = put.await;
        call.finish(answer.map(|unknown_actions| PutPolicyResponse { unknown_actions }))
    }

    async fn list_policies(
        &self,
        request: Request<ListPoliciesRequest>,
    ) -> Result<Response<ListPoliciesResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "ListPolicies", request)?;
        let namespace = present(message.namespace);
        let listed = call
            .service()
            .list_policies(&call.caller, namespace.as_deref());
        call.finish(listed.map(|policies| ListPoliciesResponse {
            policies: policies.iter().map(policy).collect(),
        }))
    }

    async fn describe_policy(
        &self,
        request: Request<DescribePolicyRequest>,
    ) -> Result<Response<DescribePolicyResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "DescribePolicy", request)?;
        let namespace = present(message.namespace);
        let found = call
            .service()
            .policy(&call.caller, namespace.as_deref(), &message.name);
        call.finish(found.map(|found| DescribePolicyResponse {
            policy: Some(policy(&found)),
            document: found.document,
        }))
    }

    async fn delete_policy(
        &self,
        request: Request<DeletePolicyRequest>,
    ) -> Result<Response<DeletePolicyResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "DeletePolicy", request)?;
        let namespace = present(message.namespace);
        let service = call.service();
        let deleted = service.delete_policy(&call.caller, namespace.as_deref(), &message.name);
        let answer = deleted.await;
        call.finish(answer.map(|()| DeletePolicyResponse {}))
    }

    async fn test_policy(
        &self,
        request: Request<TestPolicyRequest>,
    ) -> Result<Response<TestPolicyResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "TestPolicy", request)?;
        let answer = test(&call, message);
        call.finish(answer)
    }
}

async fn issue(call: &Call, message: IssueCredentialRequest) -> Result<WithSecret, ApiError> {
    let kind = match v1::CredentialKind::try_from(message.kind) {
        Ok(v1::CredentialKind::Unspecified | v1::CredentialKind::ApiKey) => Kind::ApiKey,
        Ok(v1::CredentialKind::AccessKey) => Kind::AccessKey,
        Err(_) => {
            let text = format!("`kind` has the number {}, which is none", message.kind);
            return Err(ApiError::new(ErrorCode::ValidationException, text));
        }
    };
    let issue = Issue {
        namespace: present(message.namespace),
        name: message.name,
        kind,
        policies: message.policies,
        expires_at: message.expiration_date.map(|at| instant(&at)),
    };
    call.service().issue_credential(&call.caller, issue).await
}

fn list(call: &Call, message: ListCredentialsRequest) -> Result<ListCredentialsResponse, ApiError> {
    let request = page(message.page_size, message.page_token)?;
    let namespace = present(message.namespace);
    let service = call.service();
    let found = service.list_credentials(&call.caller, namespace.as_deref(), &request)?;
    Ok(ListCredentialsResponse {
        credentials: found
            .items
            .iter()
            .map(|issued| credential(issued))
            .collect(),
        next_page_token: found.next_token.unwrap_or_default(),
    })
}

fn test(call: &Call, message: TestPolicyRequest) -> Result<TestPolicyResponse, ApiError> {
    let namespace = present(message.namespace);
    let asked = (&*message.action, &*message.resource);
    let service = call.service();
    let tested = service.test_policy(
        &call.caller,
        namespace.as_deref(),
        &message.principal,
        asked,
    )?;
    let decision = match tested.decision {
        Decision::Allowed => v1::PolicyDecision::Allowed,
        Decision::Denied => v1::PolicyDecision::ExplicitDeny,
        Decision::NotAllowed => v1::PolicyDecision::ImplicitDeny,
    };
    Ok(TestPolicyResponse {
        decision: decision.into(),
        policies: tested.policies.iter().map(ToString::to_string).collect(),
    })
}

fn credential(issued: &Issued) -> v1::Credential {
    let record = &issued.stored.record;
    let at = |ms: Option<i64>| ms.map(Timestamp).and_then(timestamp);
    let newest = record.secrets.first();
    let kind = match record.kind {
        Kind::ApiKey => v1::CredentialKind::ApiKey,
        Kind::AccessKey => v1::CredentialKind::AccessKey,
    };
    v1::Credential {
        name: record.name.to_string(),
        kind: kind.into(),
        policies: record.policies.iter().map(ToString::to_string).collect(),
        key_id: newest.map(|secret| secret.id.clone()).unwrap_or_default(),
        creation_date: at(Some(record.created_at)),
        expiration_date: at(record.expires_at),
        last_used_date: issued.used_at().and_then(timestamp),
        revocation_date: at(record.revoked_at),
        previous_until_date: at(record
            .secrets
            .iter()
            .filter_map(|secret| secret.until)
            .max()),
    }
}

fn policy(item: &PolicyItem) -> v1::PolicyInfo {
    let (origin, updated_at) = match item.origin {
        Origin::ReadyMade => (v1::PolicyOrigin::ReadyMade, None),
        Origin::Configuration => (v1::PolicyOrigin::Configuration, None),
        Origin::Stored { updated_at } => (v1::PolicyOrigin::Stored, Some(updated_at)),
    };
    v1::PolicyInfo {
        name: item.name.clone(),
        origin: origin.into(),
        update_date: updated_at.and_then(timestamp),
    }
}
