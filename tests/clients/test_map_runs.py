"""The operations on Map Runs, of which there are none, by boto3."""

from harness import PREFIX, Case, pass_state, unique

MAP_RUN = f"{PREFIX}:mapRun:m/l:00000000-0000-0000-0000-000000000000"


class MapRuns(Case):
    def test_an_execution_without_distributed_maps_has_none(self):
        execution = self.start(self.machine(pass_state()))
        self.ended(execution)
        pages = self.sfn.get_paginator("list_map_runs").paginate(executionArn=execution)
        self.assertEqual([page["mapRuns"] for page in pages], [[]])
        missing = f"{PREFIX}:execution:{unique('none')}:x"
        self.refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{missing}'", self.sfn.list_map_runs, executionArn=missing)
        self.refused("InvalidToken", "Invalid token", self.sfn.list_map_runs, executionArn=execution, nextToken="x")

    def test_a_map_run_that_is_not_there_is_told(self):
        told = f"Resource not found: '{MAP_RUN}'"
        self.refused("ResourceNotFound", told, self.sfn.describe_map_run, mapRunArn=MAP_RUN)
        self.refused("ResourceNotFound", told, self.sfn.update_map_run, mapRunArn=MAP_RUN, maxConcurrency=1)
        self.refused("ResourceNotFound", told, self.sfn.list_executions, mapRunArn=MAP_RUN, statusFilter="PENDING_REDRIVE", redriveFilter="REDRIVEN")
        kind = "Invalid Arn: 'Resource type not valid in this context: stateMachine'"
        self.refused("InvalidArn", kind, self.sfn.describe_map_run, mapRunArn=f"{PREFIX}:stateMachine:m")

    def test_bounds_of_a_map_run_are_checked(self):
        update = self.sfn.update_map_run
        self.refused("ValidationException", "must be specified", update, mapRunArn=MAP_RUN)
        told = "Value '100.5' at 'toleratedFailurePercentage' failed to satisfy constraint: Member must have value less than or equal to 100"
        self.refused("ValidationException", told, update, mapRunArn=MAP_RUN, toleratedFailurePercentage=100.5)

    def test_filters_of_executions_belong_to_one_list(self):
        machine = self.machine(pass_state())
        one = "Must specify exactly one of stateMachineArn and mapRunArn"
        self.refused("ValidationException", one, self.sfn.list_executions, stateMachineArn=machine, mapRunArn=MAP_RUN)
        self.refused("ValidationException", one, self.sfn.list_executions)
        for more in ({"redriveFilter": "REDRIVEN"}, {"statusFilter": "PENDING_REDRIVE"}):
            self.refused("ValidationException", "can only be used with mapRunArn", self.sfn.list_executions, stateMachineArn=machine, **more)
