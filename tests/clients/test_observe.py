"""What a state machine asks to be told of its executions, set by boto3."""

import json
import os

from harness import Case, coordinator, until


def as_text(value):
    """Numbers of the history as the log has them."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return {key: as_text(one) for key, one in value.items()} if isinstance(value, dict) else value
    return str(value)


class ExecutionLog(Case):
    def records(self, execution, count):
        """The log's records of an execution, once there are so many."""
        path = os.path.join(coordinator().folder, "data", "logs", "executions.jsonl")

        def look():
            if not os.path.exists(path):
                return None
            with open(path, encoding="utf-8") as file:
                lines = [json.loads(line) for line in file if line.endswith("\n")]
            own = [line for line in lines if line["execution_arn"] == execution]
            return own if len(own) >= count else None

        return until(f"{count} records", look)

    def logged(self, definition, level, data=True):
        group = {"logGroupArn": f"arn:aws:logs:us-east-1:000000000000:log-group:{level}:*"}
        return self.machine(definition, loggingConfiguration={
            "level": level, "includeExecutionData": data, "destinations": [{"cloudWatchLogsLogGroup": group}],
        })

    def test_every_record_is_the_event_of_the_history(self):
        states = {
            "Each": {"Type": "Map", "ItemProcessor": {"StartAt": "P", "States": {
                "P": {"Type": "Pass", "Assign": {"seen": 1}, "End": True},
            }}, "Next": "Stop"},
            "Stop": {"Type": "Fail", "Error": "Enough", "Cause": "because"},
        }
        execution = self.start(self.logged({"StartAt": "Each", "States": states}, "ALL"), [1, 2])
        self.ended(execution)
        events = self.sfn.get_execution_history(executionArn=execution)["events"]
        records = self.records(execution, len(events))
        self.assertEqual(len(records), len(events))
        for record, event in zip(records, events):
            details = [as_text(value) for key, value in event.items() if key.endswith("EventDetails")]
            self.assertEqual(record, {
                "id": str(event["id"]),
                "type": event["type"],
                "details": details[0] if details else {},
                "previous_event_id": str(event["previousEventId"]),
                "event_timestamp": str(round(event["timestamp"].timestamp() * 1000)),
                "execution_arn": execution,
                "redrive_count": "0",
                "log_group_arn": "arn:aws:logs:us-east-1:000000000000:log-group:ALL:*",
            })

    def test_an_update_of_the_level_holds_for_what_begins_then(self):
        fail = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Enough"}}}
        machine = self.logged(fail, "FATAL")
        execution = self.start(machine)
        self.ended(execution)
        self.assertEqual([record["type"] for record in self.records(execution, 1)], ["ExecutionFailed"])
        group = {"logGroupArn": "arn:aws:logs:us-east-1:000000000000:log-group:other:*"}
        self.sfn.update_state_machine(stateMachineArn=machine, loggingConfiguration={
            "level": "ERROR", "destinations": [{"cloudWatchLogsLogGroup": group}],
        })
        execution = self.start(machine)
        self.ended(execution)
        records = self.records(execution, 2)
        self.assertEqual([record["type"] for record in records], ["FailStateEntered", "ExecutionFailed"])
        self.assertEqual(records[0]["details"], {"name": "F"})
        self.assertEqual(records[0]["log_group_arn"], group["logGroupArn"])
