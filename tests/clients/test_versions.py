"""Versions and aliases of state machines, by boto3."""

import json
from collections import Counter

from harness import CALLBACK, PREFIX, ROLE, Case, pass_state, task_state, unique

MISSING = "Request references a resource that does not exist."


class Versions(Case):
    def published(self, count=2):
        """A machine with as many versions, whose executions give their number."""
        first = self.sfn.create_state_machine(
            name=unique("versions"), definition=json.dumps(pass_state(Result=1)), roleArn=ROLE, publish=True
        )
        arn = first["stateMachineArn"]
        versions = [first["stateMachineVersionArn"]]
        for number in range(2, count + 1):
            definition = json.dumps(pass_state(Result=number))
            update = self.sfn.update_state_machine(stateMachineArn=arn, definition=definition, publish=True)
            versions.append(update["stateMachineVersionArn"])
        self.assertEqual(versions, [f"{arn}:{n}" for n in range(1, count + 1)])
        return arn, versions

    def alias(self, name, *routes, **more):
        routing = [{"stateMachineVersionArn": arn, "weight": weight} for arn, weight in routes]
        made = self.sfn.create_state_machine_alias(name=name, routingConfiguration=routing, **more)
        return made["stateMachineAliasArn"]

    def output(self, machine):
        return json.loads(self.ended(self.start(machine))["output"])

    def listed(self, operation, key, **params):
        pages = self.sfn.get_paginator(operation) if self.sfn.can_paginate(operation) else None
        if pages:
            return [item for page in pages.paginate(**params) for item in page[key]]
        items, token = [], {}
        while True:
            page = getattr(self.sfn, operation)(maxResults=1, **params, **token)
            items += page[key]
            if "nextToken" not in page:
                return items
            token = {"nextToken": page["nextToken"]}

    def versions(self, machine):
        items = self.listed("list_state_machine_versions", "stateMachineVersions", stateMachineArn=machine)
        return [item["stateMachineVersionArn"] for item in items]

    def aliases(self, machine):
        items = self.listed("list_state_machine_aliases", "stateMachineAliases", stateMachineArn=machine)
        return [item["stateMachineAliasArn"] for item in items]

    def test_a_version_keeps_its_definition(self):
        machine, (one, two) = self.published()
        self.sfn.update_state_machine(stateMachineArn=machine, definition=json.dumps(pass_state(Result="now")))
        self.assertEqual([self.output(arn) for arn in (one, two, machine)], [1, 2, "now"])
        seen = self.sfn.describe_state_machine(stateMachineArn=one)
        self.assertEqual((seen["stateMachineArn"], json.loads(seen["definition"])), (one, pass_state(Result=1)))
        self.assertNotIn("revisionId", seen)
        self.assertIn("revisionId", self.sfn.describe_state_machine(stateMachineArn=two))

    def test_publishing_again_gives_the_same_version(self):
        machine, (one, two) = self.published()
        again = self.sfn.publish_state_machine_version(stateMachineArn=machine, description="ignored")
        self.assertEqual(again["stateMachineVersionArn"], two)
        update = self.sfn.update_state_machine(stateMachineArn=machine, roleArn=ROLE, publish=True)
        self.assertEqual(update["stateMachineVersionArn"], two)
        self.assertEqual(self.versions(machine), [two, one])
        self.assertNotIn("description", self.sfn.describe_state_machine(stateMachineArn=two))

    def test_a_creation_is_repeated_with_its_publication(self):
        request = {"name": unique("again"), "definition": json.dumps(pass_state()), "roleArn": ROLE}
        publish = {"publish": True, "versionDescription": "first"}
        made = self.sfn.create_state_machine(**request, **publish)
        self.assertEqual(self.sfn.create_state_machine(**request, **publish)["stateMachineVersionArn"], made["stateMachineVersionArn"])
        seen = self.sfn.describe_state_machine(stateMachineArn=made["stateMachineVersionArn"])
        self.assertEqual(seen["description"], "first")
        for other in ({}, {"publish": True}, {"publish": True, "versionDescription": "second"}):
            self.refused("StateMachineAlreadyExists", made["stateMachineArn"], self.sfn.create_state_machine, **request, **other)

    def test_only_the_current_revision_is_published_by_its_id(self):
        machine = self.machine(pass_state())
        publish = self.sfn.publish_state_machine_version
        self.refused("ConflictException", "The current State Machine revision is INITIAL.", publish, stateMachineArn=machine, revisionId="x")
        self.assertTrue(publish(stateMachineArn=machine, revisionId="INITIAL")["stateMachineVersionArn"].endswith(":1"))
        revision = self.sfn.update_state_machine(stateMachineArn=machine, roleArn=ROLE + "2")["revisionId"]
        told = f"Failed to publish the State Machine version for revision INITIAL. The current State Machine revision is {revision}."
        self.refused("ConflictException", told, publish, stateMachineArn=machine, revisionId="INITIAL")
        self.assertTrue(publish(stateMachineArn=machine, revisionId=revision)["stateMachineVersionArn"].endswith(":2"))
        none = f"{PREFIX}:stateMachine:{unique('none')}"
        self.refused("StateMachineDoesNotExist", none, publish, stateMachineArn=none)

    def test_numbers_are_not_used_again(self):
        machine, (one, two) = self.published()
        self.sfn.delete_state_machine_version(stateMachineVersionArn=two)
        self.sfn.delete_state_machine_version(stateMachineVersionArn=two)
        self.refused("StateMachineDoesNotExist", two, self.sfn.start_execution, stateMachineArn=two)
        third = self.sfn.publish_state_machine_version(stateMachineArn=machine)["stateMachineVersionArn"]
        self.assertEqual(self.versions(machine), [f"{machine}:3", one])
        self.assertEqual(third, f"{machine}:3")

    def test_a_running_execution_outlives_its_version(self):
        machine = self.machine(task_state(CALLBACK, Parameters={"token.$": "$$.Task.Token"}), publish=True)
        execution = self.start(f"{machine}:1")
        self.event(execution, "TaskScheduled")
        self.sfn.delete_state_machine_version(stateMachineVersionArn=f"{machine}:1")
        parameters = json.loads(self.event(execution, "TaskScheduled")["taskScheduledEventDetails"]["parameters"])
        self.sfn.send_task_success(taskToken=parameters["token"], output="7")
        seen = self.ended(execution)
        self.assertEqual((seen["output"], seen["stateMachineVersionArn"]), ("7", f"{machine}:1"))

    def test_an_alias_shares_starts_between_two_versions(self):
        machine, (one, two) = self.published()
        alias = self.alias("live", (one, 50), (two, 50))
        started = [self.sfn.start_execution(stateMachineArn=alias)["executionArn"] for _ in range(40)]
        ended = [self.ended(arn) for arn in started]
        shares = Counter(seen["stateMachineVersionArn"] for seen in ended)
        # One of 40 fair draws all alike comes once in 2^39.
        self.assertEqual(set(shares), {one, two})
        for seen in ended:
            self.assertEqual(seen["stateMachineAliasArn"], alias)
            self.assertEqual(f"{machine}:{seen['output']}", seen["stateMachineVersionArn"])
        self.sfn.update_state_machine_alias(
            stateMachineAliasArn=alias,
            routingConfiguration=[{"stateMachineVersionArn": one, "weight": 100}, {"stateMachineVersionArn": two, "weight": 0}],
        )
        self.assertEqual({self.output(alias) for _ in range(10)}, {1})
        self.assertEqual(json.loads(self.sfn.describe_state_machine(stateMachineArn=alias)["definition"]), pass_state(Result=1))

    def test_executions_are_listed_by_what_started_them(self):
        machine, (one, two) = self.published()
        alias = self.alias("live", (one, 100))
        waiting = self.machine({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}}, publish=True)
        by = {name: [self.start(arn) for _ in range(3)] for name, arn in (("two", two), ("alias", alias), ("plain", machine))}
        for arn in sum(by.values(), []):
            self.ended(arn)
        running = [self.start(waiting), self.start(f"{waiting}:1"), self.start(f"{waiting}:1"), self.start(waiting)]

        def listed(arn, **params):
            pages = self.sfn.get_paginator("list_executions")
            pages = pages.paginate(stateMachineArn=arn, PaginationConfig={"PageSize": 1}, **params)
            return {item["executionArn"] for page in pages for item in page["executions"]}

        self.assertEqual(listed(two), set(by["two"]))
        self.assertEqual(listed(one), set(by["alias"]))
        self.assertEqual(listed(alias, statusFilter="SUCCEEDED"), set(by["alias"]))
        self.assertEqual(listed(alias, statusFilter="FAILED"), set())
        self.assertEqual(listed(machine), set(sum(by.values(), [])))
        self.assertEqual(listed(f"{waiting}:1", statusFilter="RUNNING"), set(running[1:3]))
        self.refused("StateMachineDoesNotExist", f"{machine}:9", self.sfn.list_executions, stateMachineArn=f"{machine}:9")
        for arn in running:
            self.sfn.stop_execution(executionArn=arn)

    def test_an_alias_is_described_updated_listed_and_deleted(self):
        machine, (one, two) = self.published()
        alias = self.alias("live", (one, 100), description="what customers get")
        self.assertEqual(alias, f"{machine}:live")
        self.assertEqual(self.alias("live", (one, 100), description="what customers get"), alias)
        self.alias("next", (two, 100))
        self.assertEqual(set(self.aliases(machine)), {alias, f"{machine}:next"})
        self.assertEqual(self.aliases(two), [f"{machine}:next"])
        made = self.sfn.describe_state_machine_alias(stateMachineAliasArn=alias)
        self.sfn.update_state_machine_alias(stateMachineAliasArn=alias, description="other")
        seen = self.sfn.describe_state_machine_alias(stateMachineAliasArn=alias)
        self.assertEqual((made["name"], made["description"], seen["description"]), ("live", "what customers get", "other"))
        self.assertEqual(seen["routingConfiguration"], [{"stateMachineVersionArn": one, "weight": 100}])
        self.assertEqual(seen["creationDate"], made["creationDate"])
        self.assertGreaterEqual(seen["updateDate"], made["updateDate"])
        for _ in range(2):
            self.sfn.delete_state_machine_alias(stateMachineAliasArn=alias)
        self.refused("ResourceNotFound", MISSING, self.sfn.describe_state_machine_alias, stateMachineAliasArn=alias)
        self.refused("StateMachineDoesNotExist", alias, self.sfn.start_execution, stateMachineArn=alias)

    def test_a_version_that_an_alias_leads_to_stays(self):
        machine, (one, two) = self.published()
        self.alias("a", (one, 100))
        self.alias("b", (one, 30), (two, 70))
        told = "Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: [a, b]"
        self.refused("ConflictException", told, self.sfn.delete_state_machine_version, stateMachineVersionArn=one)
        self.assertEqual(self.output(one), 1)

    def test_bad_routes_are_refused(self):
        machine, (one, two) = self.published()
        _, (other, _) = self.published()
        alias = self.alias("live", (one, 100))
        bad = "ValidationException"
        for code, told, routes in [
            (bad, "Sum of routing configuration weights must equal 100. Received: [70, 29]", [(one, 70), (two, 29)]),
            (bad, f"Routing configuration must contain distinct state machine version ARNs. Received: [{one}, {one}]", [(one, 50), (one, 50)]),
            (bad, f"Routing configuration must contain state machine version ARNs. Received: [{alias}]", [(alias, 100)]),
            (bad, f"Routing configuration must contain state machine version ARNs. Received: [{machine}]", [(machine, 100)]),
            (bad, f"of one state machine. Received: [{one}, {other}]", [(one, 50), (other, 50)]),
            (bad, "Member must have length less than or equal to 2", [(one, 40), (two, 40), (other, 20)]),
            (bad, "'routingConfiguration.1.member.weight' failed to satisfy constraint: Member must have value less", [(one, 101)]),
            ("ResourceNotFound", MISSING, [(f"{machine}:9", 100)]),
            ("ResourceNotFound", MISSING, [(f"{PREFIX}:stateMachine:{unique('none')}:1", 100)]),
        ]:
            with self.subTest(told):
                self.refused(code, told, lambda: self.alias("bad", *routes))
                if all(arn.startswith(machine) for arn, _ in routes):
                    routing = [{"stateMachineVersionArn": arn, "weight": weight} for arn, weight in routes]
                    update = {"stateMachineAliasArn": alias, "routingConfiguration": routing}
                    self.refused(code, told, self.sfn.update_state_machine_alias, **update)
        with self.assertRaisesRegex(Exception, "alias with the same name and a different routing configuration already exists"):
            self.alias("live", (two, 100))
        self.refused("ValidationException", "Either the description or", self.sfn.update_state_machine_alias, stateMachineAliasArn=alias)
        self.assertEqual(self.output(alias), 1)

    def test_limits_of_versions_and_aliases(self):
        machine, (one,) = self.published(1)
        for number in range(100):
            self.alias(f"a{number}", (one, 100))
        answer = self.refused("ServiceQuotaExceededException", "limit of 100 aliases", lambda: self.alias("more", (one, 100)))
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 402)
        self.assertEqual(len(self.aliases(machine)), 100)

    def test_a_deleted_machine_takes_its_versions_along(self):
        machine, (one, two) = self.published()
        alias = self.alias("live", (one, 100))
        for arn in (one, alias):
            self.refused("ValidationException", "DeleteStateMachineVersion", self.sfn.delete_state_machine, stateMachineArn=arn)
        self.sfn.delete_state_machine(stateMachineArn=machine)
        self.refused("StateMachineDoesNotExist", one, self.sfn.describe_state_machine, stateMachineArn=one)
        self.refused("ResourceNotFound", MISSING, self.sfn.describe_state_machine_alias, stateMachineAliasArn=alias)
        self.sfn.delete_state_machine_alias(stateMachineAliasArn=alias)
        self.sfn.delete_state_machine_version(stateMachineVersionArn=one)

    def test_an_arn_of_another_kind_is_refused(self):
        machine, (one, _) = self.published()
        alias = self.alias("live", (one, 100))
        self.refused("InvalidArn", "state machine alias", self.sfn.describe_state_machine_alias, stateMachineAliasArn=one)
        self.refused("InvalidArn", "state machine version", self.sfn.delete_state_machine_version, stateMachineVersionArn=alias)
        self.refused("InvalidToken", "Invalid token", self.sfn.list_state_machine_versions, stateMachineArn=machine, nextToken="x")
