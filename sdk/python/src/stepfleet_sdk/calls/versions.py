"""Versions of state machines, which never change, and aliases that lead to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping

from .. import model
from .._connection import HasConnection
from .._proto import tags_pb2
from .._proto import versions_pb2 as pb


class Versions(HasConnection):
    """Publishing versions and routing aliases to them."""

    async def publish_state_machine_version(
        self, state_machine_arn: str, *, revision_id: str = "", description: str | None = None
    ) -> model.Version:
        """Publishes the current revision; one that has a version already gives that version.

        Args:
            state_machine_arn: The state machine.
            revision_id: Refuses when this is not the current one; `INITIAL` is the first one; empty takes what is current.
            description: For people.
        """
        request = pb.PublishStateMachineVersionRequest(
            state_machine_arn=state_machine_arn, revision_id=revision_id, description=description
        )
        path = "VersionService/PublishStateMachineVersion"
        answer = await self._connection.unary(path, request, pb.PublishStateMachineVersionResponse)
        return model.Version(answer.state_machine_version_arn, model.date(answer, "creation_date"))

    async def delete_state_machine_version(self, version_arn: str) -> None:
        """Deletes a version that no alias leads to; one that is not there is fine."""
        request = pb.DeleteStateMachineVersionRequest(state_machine_version_arn=version_arn)
        path = "VersionService/DeleteStateMachineVersion"
        await self._connection.unary(path, request, pb.DeleteStateMachineVersionResponse)

    async def list_state_machine_versions(
        self, state_machine_arn: str, *, page_size: int = 0
    ) -> AsyncIterator[model.Version]:
        """The versions of a state machine, newest first.

        Args:
            state_machine_arn: The state machine.
            page_size: How many to fetch at once; 0 is 100, at most 1000.
        """
        path, token = "VersionService/ListStateMachineVersions", ""
        while True:
            request = pb.ListStateMachineVersionsRequest(
                state_machine_arn=state_machine_arn, page_size=page_size, page_token=token
            )
            page = await self._connection.unary(path, request, pb.ListStateMachineVersionsResponse)
            for item in page.state_machine_versions:
                yield model.Version(item.state_machine_version_arn, model.date(item, "creation_date"))
            token = page.next_page_token
            if not token:
                return

    async def create_state_machine_alias(
        self, name: str, routes: Iterable[model.Route], *, description: str | None = None
    ) -> model.CreatedAlias:
        """Creates an alias; repeating the same request gives the same answer.

        Args:
            name: Its name.
            routes: One or two versions of one state machine, with weights that add up to 100.
            description: For people.
        """
        request = pb.CreateStateMachineAliasRequest(
            name=name, description=description, routing_configuration=_routing(routes)
        )
        path = "VersionService/CreateStateMachineAlias"
        answer = await self._connection.unary(path, request, pb.CreateStateMachineAliasResponse)
        return model.CreatedAlias(answer.state_machine_alias_arn, model.date(answer, "creation_date"))

    async def update_state_machine_alias(
        self, alias_arn: str, *, routes: Iterable[model.Route] = (), description: str | None = None
    ) -> None:
        """Changes the description, the routes or both.

        Args:
            alias_arn: The alias.
            routes: The new ones; none keeps those that are there.
            description: The new one; `None` keeps it.
        """
        request = pb.UpdateStateMachineAliasRequest(
            state_machine_alias_arn=alias_arn, description=description, routing_configuration=_routing(routes)
        )
        path = "VersionService/UpdateStateMachineAlias"
        await self._connection.unary(path, request, pb.UpdateStateMachineAliasResponse)

    async def delete_state_machine_alias(self, alias_arn: str) -> None:
        """Deletes an alias; one that is not there is fine."""
        request = pb.DeleteStateMachineAliasRequest(state_machine_alias_arn=alias_arn)
        path = "VersionService/DeleteStateMachineAlias"
        await self._connection.unary(path, request, pb.DeleteStateMachineAliasResponse)

    async def describe_state_machine_alias(self, alias_arn: str) -> model.Alias:
        """Describes an alias."""
        request = pb.DescribeStateMachineAliasRequest(state_machine_alias_arn=alias_arn)
        path = "VersionService/DescribeStateMachineAlias"
        return model.alias(await self._connection.unary(path, request, pb.DescribeStateMachineAliasResponse))

    async def list_state_machine_aliases(self, arn: str, *, page_size: int = 0) -> AsyncIterator[model.AliasListItem]:
        """The aliases of a state machine, or those that lead to a version; newest first.

        Args:
            arn: A state machine or a version.
            page_size: How many to fetch at once; 0 is 100, at most 1000.
        """
        path, token = "VersionService/ListStateMachineAliases", ""
        while True:
            request = pb.ListStateMachineAliasesRequest(state_machine_arn=arn, page_size=page_size, page_token=token)
            page = await self._connection.unary(path, request, pb.ListStateMachineAliasesResponse)
            for item in page.state_machine_aliases:
                yield model.AliasListItem(item.state_machine_alias_arn, model.date(item, "creation_date"))
            token = page.next_page_token
            if not token:
                return


class Tags(HasConnection):
    """Tags of state machines and activities."""

    async def tag_resource(self, resource_arn: str, tags: Mapping[str, str]) -> None:
        """Sets tags; the others stay. A resource has at most 50."""
        listed = [tags_pb2.Tag(key=key, value=value) for key, value in tags.items()]
        request = tags_pb2.TagResourceRequest(resource_arn=resource_arn, tags=listed)
        await self._connection.unary("TagService/TagResource", request, tags_pb2.TagResourceResponse)

    async def untag_resource(self, resource_arn: str, keys: Iterable[str]) -> None:
        """Removes tags; keys that are not there are fine."""
        request = tags_pb2.UntagResourceRequest(resource_arn=resource_arn, tag_keys=list(keys))
        await self._connection.unary("TagService/UntagResource", request, tags_pb2.UntagResourceResponse)

    async def list_tags_for_resource(self, resource_arn: str) -> dict[str, str]:
        """The tags, in the order in which they were set."""
        request = tags_pb2.ListTagsForResourceRequest(resource_arn=resource_arn)
        path = "TagService/ListTagsForResource"
        answer = await self._connection.unary(path, request, tags_pb2.ListTagsForResourceResponse)
        return {tag.key: tag.value for tag in answer.tags}


def _routing(routes: Iterable[model.Route]) -> list[pb.RoutingConfigurationItem]:
    return [
        pb.RoutingConfigurationItem(state_machine_version_arn=route.version_arn, weight=route.weight)
        for route in routes
    ]
