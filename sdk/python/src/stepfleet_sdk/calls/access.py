"""Who may work here, and what they may do: credentials that the coordinator issues, and policies."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from .. import model
from .._connection import HasConnection
from .._proto import access_pb2 as pb


class Access(HasConnection):
    """Credentials and policies. `namespace` is an account id; empty is the caller's own."""

    async def issue_credential(
        self,
        name: str,
        policies: Sequence[str],
        *,
        access_key: bool = False,
        expiration_date: datetime | None = None,
        namespace: str = "",
    ) -> model.IssuedCredential:
        """Makes a credential. Its secret stands in this answer alone, so the call is never repeated.

        Args:
            name: The principal's name.
            policies: Names of what its owner may do.
            access_key: An access key for AWS SDKs instead of an API key.
            expiration_date: Until when it is good; for ever without.
            namespace: Where it belongs.
        """
        kind = pb.CREDENTIAL_KIND_ACCESS_KEY if access_key else pb.CREDENTIAL_KIND_API_KEY
        request = pb.IssueCredentialRequest(name=name, policies=list(policies), kind=kind, namespace=namespace)
        if expiration_date is not None:
            request.expiration_date.CopyFrom(_timestamp(expiration_date))
        path = "AccessService/IssueCredential"
        answer = await self._connection.unary(path, request, pb.IssueCredentialResponse, repeat=False)
        return model.IssuedCredential(_credential(answer.credential), answer.secret)

    async def list_credentials(self, *, namespace: str = "", page_size: int = 0) -> AsyncIterator[model.Credential]:
        """Credentials by name; revoked and expired ones stay for 90 days."""
        path, token = "AccessService/ListCredentials", ""
        while True:
            request = pb.ListCredentialsRequest(page_size=page_size, page_token=token, namespace=namespace)
            page = await self._connection.unary(path, request, pb.ListCredentialsResponse)
            for credential in page.credentials:
                yield _credential(credential)
            token = page.next_page_token
            if not token:
                return

    async def rotate_credential(
        self, name: str, *, overlap_seconds: int = 86_400, namespace: str = ""
    ) -> model.IssuedCredential:
        """Gives a credential another secret; the one before stays good for the overlap. Never repeated."""
        request = pb.RotateCredentialRequest(name=name, overlap_seconds=overlap_seconds, namespace=namespace)
        path = "AccessService/RotateCredential"
        answer = await self._connection.unary(path, request, pb.RotateCredentialResponse, repeat=False)
        return model.IssuedCredential(_credential(answer.credential), answer.secret)

    async def revoke_credential(self, name: str, *, namespace: str = "") -> model.Credential:
        """Ends a credential at once, with its open streams and polls."""
        request = pb.RevokeCredentialRequest(name=name, namespace=namespace)
        path = "AccessService/RevokeCredential"
        answer = await self._connection.unary(path, request, pb.RevokeCredentialResponse)
        return _credential(answer.credential)

    async def put_policy(self, name: str, document: Mapping[str, Any] | str, *, namespace: str = "") -> list[str]:
        """Stores a policy, or changes it; gives its patterns of actions that no action follows.

        Args:
            name: Its name.
            document: As IAM has it: JSON text, or its value.
            namespace: Where it belongs.
        """
        text = document if isinstance(document, str) else json.dumps(document)
        request = pb.PutPolicyRequest(name=name, document=text, namespace=namespace)
        answer = await self._connection.unary("AccessService/PutPolicy", request, pb.PutPolicyResponse)
        return list(answer.unknown_actions)

    async def list_policies(self, *, namespace: str = "") -> list[model.PolicyInfo]:
        """Policies by name: those that are always there, those of the configuration, and stored ones."""
        request = pb.ListPoliciesRequest(namespace=namespace)
        answer = await self._connection.unary("AccessService/ListPolicies", request, pb.ListPoliciesResponse)
        return [_policy(policy) for policy in answer.policies]

    async def describe_policy(self, name: str, *, namespace: str = "") -> tuple[model.PolicyInfo, str]:
        """A policy, and its document."""
        request = pb.DescribePolicyRequest(name=name, namespace=namespace)
        answer = await self._connection.unary("AccessService/DescribePolicy", request, pb.DescribePolicyResponse)
        return _policy(answer.policy), answer.document

    async def delete_policy(self, name: str, *, namespace: str = "") -> None:
        """Deletes a stored policy that no credential has; one that is not there is fine."""
        request = pb.DeletePolicyRequest(name=name, namespace=namespace)
        await self._connection.unary("AccessService/DeletePolicy", request, pb.DeletePolicyResponse)

    async def test_policy(self, principal: str, action: str, resource: str = "", *, namespace: str = "") -> bool:
        """Whether a principal's policies allow an action, without doing it.

        Args:
            principal: Name of a credential, or of a key or certificate of the configuration.
            action: As in `states:StartExecution`.
            resource: ARN of what it would be on; everything without.
            namespace: Where the principal belongs.
        """
        request = pb.TestPolicyRequest(principal=principal, action=action, resource=resource, namespace=namespace)
        answer = await self._connection.unary("AccessService/TestPolicy", request, pb.TestPolicyResponse)
        return answer.decision == pb.POLICY_DECISION_ALLOWED


def _timestamp(date: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(date)
    return timestamp


def _credential(credential: pb.Credential) -> model.Credential:
    return model.Credential(
        name=credential.name,
        kind=model.word(pb.CredentialKind, credential.kind),
        policies=list(credential.policies),
        key_id=credential.key_id,
        creation_date=model.date(credential, "creation_date"),
        expiration_date=model.maybe_date(credential, "expiration_date"),
        last_used_date=model.maybe_date(credential, "last_used_date"),
        revocation_date=model.maybe_date(credential, "revocation_date"),
        previous_until_date=model.maybe_date(credential, "previous_until_date"),
    )


def _policy(policy: pb.PolicyInfo) -> model.PolicyInfo:
    return model.PolicyInfo(
        policy.name, model.word(pb.PolicyOrigin, policy.origin), model.maybe_date(policy, "update_date")
    )
