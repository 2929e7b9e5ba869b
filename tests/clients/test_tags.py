"""Tags of state machines and activities, by boto3."""

from botocore.exceptions import ClientError
from harness import PREFIX, ROLE, Case, pass_state, unique


class Tags(Case):
    def of(self, arn):
        tags = self.sfn.list_tags_for_resource(resourceArn=arn)["tags"]
        return [(tag["key"], tag["value"]) for tag in tags]

    def tag(self, arn, *tags):
        self.sfn.tag_resource(resourceArn=arn, tags=[{"key": key, "value": value} for key, value in tags])

    def refusal(self, call, **params):
        with self.assertRaises(ClientError) as raised:
            call(**params)
        error = raised.exception.response["Error"]
        return f"{error['Code']}: {error['Message']}"

    def resources(self):
        machine = self.machine(pass_state(), tags=[{"key": "a", "value": "1"}])
        activity = self.sfn.create_activity(name=unique("tagged"), tags=[{"key": "a", "value": "1"}])["activityArn"]
        return machine, activity

    def test_tags_are_set_replaced_and_removed(self):
        for arn in self.resources():
            self.assertEqual(self.of(arn), [("a", "1")])
            self.tag(arn, ("b", ""), ("a", "2"))
            self.assertEqual(self.of(arn), [("a", "2"), ("b", "")])
            self.sfn.untag_resource(resourceArn=arn, tagKeys=["a", "never there"])
            self.assertEqual(self.of(arn), [("b", "")])
            self.sfn.untag_resource(resourceArn=arn, tagKeys=[])
            self.tag(arn)
            self.assertEqual(self.of(arn), [("b", "")])

    def test_tags_stay_when_the_definition_changes(self):
        machine, activity = self.resources()
        self.tag(machine, ("b", "2"))
        self.sfn.update_state_machine(stateMachineArn=machine, roleArn=ROLE + "2")
        self.assertEqual(self.of(machine), [("a", "1"), ("b", "2")])
        self.tag(activity, ("c", "3"))
        self.assertEqual(self.of(activity), [("a", "1"), ("c", "3")])

    def test_a_resource_has_at_most_50_tags(self):
        machine, _ = self.resources()
        self.tag(machine, *[(f"k{n}", "") for n in range(49)])
        more = {"resourceArn": machine, "tags": [{"key": "one more", "value": ""}]}
        self.assertTrue(self.refusal(self.sfn.tag_resource, **more).startswith("TooManyTags: "))
        self.tag(machine, ("k7", "another value"))
        self.assertEqual(len(self.of(machine)), 50)

    def test_what_has_no_tags_is_refused(self):
        machine, _ = self.resources()
        for arn, text in [
            (f"{PREFIX}:stateMachine:{unique('none')}", "ResourceNotFound: Resource not found: '{arn}'"),
            (f"{PREFIX}:activity:{unique('none')}", "ResourceNotFound: Resource not found: '{arn}'"),
            (f"{machine}:1", "ResourceNotFound: Resource not found: '{arn}'"),
            (f"{PREFIX}:execution:m:x", "InvalidArn: Invalid Arn: 'Resource type not valid in this context: execution'"),
            ("arn", "InvalidArn: Invalid Arn: 'Invalid ARN prefix: arn'"),
        ]:
            said = self.refusal(self.sfn.list_tags_for_resource, resourceArn=arn)
            self.assertEqual(said, text.format(arn=arn))
        reserved = self.refusal(self.sfn.tag_resource, resourceArn=machine, tags=[{"key": "aws:x", "value": ""}])
        self.assertIn("reserved", reserved)
        missing = self.refusal(self.sfn.untag_resource, resourceArn=machine, tagKeys=["x" * 129])
        self.assertIn("'tagKeys.1.member' failed to satisfy constraint", missing)
