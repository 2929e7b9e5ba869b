"""Paginators of every list."""

from harness import CALLBACK, Case, pass_state, task_state


class Lists(Case):
    def pages(self, operation, key, size, **arguments):
        """All items, read in pages of a size; no page is longer."""
        items = []
        paginator = self.sfn.get_paginator(operation)
        for page in paginator.paginate(PaginationConfig={"PageSize": size}, **arguments):
            self.assertLessEqual(len(page[key]), size)
            items += page[key]
        return items

    def test_state_machines_are_listed_once_each(self):
        made = {self.machine(pass_state()) for _ in range(7)}
        listed = [m["stateMachineArn"] for m in self.pages("list_state_machines", "stateMachines", 3)]
        self.assertEqual(len(listed), len(set(listed)))
        self.assertLessEqual(made, set(listed))

    def test_activities_are_listed_once_each(self):
        made = {self.activity() for _ in range(7)}
        listed = [a["activityArn"] for a in self.pages("list_activities", "activities", 2)]
        self.assertEqual(len(listed), len(set(listed)))
        self.assertLessEqual(made, set(listed))

    def test_executions_are_listed_newest_first_while_more_are_started(self):
        machine = self.machine(task_state(CALLBACK, Parameters={"t.$": "$$.Task.Token"}))
        made = [self.start(machine) for _ in range(25)]
        first = self.sfn.list_executions(stateMachineArn=machine, maxResults=10)
        self.start(machine)
        rest, token = [], first["nextToken"]
        while token:
            page = self.sfn.list_executions(stateMachineArn=machine, maxResults=10, nextToken=token)
            rest += page["executions"]
            token = page.get("nextToken")
        listed = [e["executionArn"] for e in first["executions"] + rest]
        self.assertEqual(sorted(listed), sorted(made))
        dates = [e["startDate"] for e in first["executions"] + rest]
        self.assertEqual(dates, sorted(dates, reverse=True))

    def test_executions_by_status_are_listed_in_pages(self):
        machine = self.machine(pass_state())
        made = [self.start(machine) for _ in range(11)]
        for execution in made:
            self.ended(execution)
        listed = self.pages("list_executions", "executions", 4, stateMachineArn=machine, statusFilter="SUCCEEDED")
        self.assertEqual(sorted(e["executionArn"] for e in listed), sorted(made))

    def test_trap_26_zero_results_means_the_default(self):
        self.machine(pass_state())
        self.assertTrue(self.sfn.list_state_machines(maxResults=0)["stateMachines"])

    def test_trap_26_a_token_of_another_list_is_refused(self):
        machine, other = self.machine(pass_state()), self.machine(pass_state())
        for _ in range(3):
            self.start(machine)
        token = self.sfn.list_executions(stateMachineArn=machine, maxResults=1)["nextToken"]
        for arguments in ({"stateMachineArn": other}, {"stateMachineArn": machine, "statusFilter": "FAILED"}):
            self.refused(
                "InvalidToken", "Invalid Token: 'Invalid token'", self.sfn.list_executions,
                nextToken=token, maxResults=1, **arguments,
            )

    def test_an_empty_list_has_no_next_page(self):
        page = self.sfn.list_executions(stateMachineArn=self.machine(pass_state()))
        self.assertEqual(page["executions"], [])
        self.assertNotIn("nextToken", page)
