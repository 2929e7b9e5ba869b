"""Terraform with the AWS provider: state machines, activities, versions and aliases. Skipped where either is missing."""

import glob
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import CREDENTIALS, REGION, ROLE, Case, coordinator, unique

AWS_PROVIDER = os.path.join("registry.terraform.io", "hashicorp", "aws")
# Where Terraform looks for plugins by itself, and where machines without a network keep them.
PLUGINS = ("~/.terraform.d/plugins", "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins", "/opt/*")
LISTS = {"list_state_machines": "stateMachines", "list_activities": "activities"}


def plugins():
    """A folder of plugins that has the AWS provider."""
    folders = (folder for pattern in PLUGINS for folder in glob.glob(os.path.expanduser(pattern)))
    return next((folder for folder in folders if os.path.isdir(os.path.join(folder, AWS_PROVIDER))), None)


def available():
    """Whether this machine has what the test needs."""
    return bool(shutil.which("terraform") and plugins())


def configuration(name, output, weight):
    """Everything that the provider knows of this service; `weight` is what the alias sends to the newest version, in percent."""
    definition = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": output, "End": True}}}
    provider = {
        "region": REGION,
        "access_key": CREDENTIALS["aws_access_key_id"],
        "secret_key": CREDENTIALS["aws_secret_access_key"],
        "skip_credentials_validation": True,
        "skip_metadata_api_check": True,
        "skip_requesting_account_id": True,
        "endpoints": [{"sfn": coordinator().url}],
    }
    version = "${aws_sfn_state_machine.standard.state_machine_version_arn}"
    first = "${aws_sfn_state_machine.standard.arn}:1"
    routes = [{"state_machine_version_arn": version, "weight": weight}]
    if weight < 100:
        routes.append({"state_machine_version_arn": first, "weight": 100 - weight})
    return {
        "provider": {"aws": provider},
        "resource": {
            "aws_sfn_activity": {"work": {"name": f"{name}-work", "tags": {"team": "a"}}},
            "aws_sfn_state_machine": {
                "standard": {
                    "name": name,
                    "role_arn": ROLE,
                    "definition": json.dumps(definition),
                    "publish": True,
                    "tags": {"output": str(output)},
                },
                "express": {
                    "name": f"{name}-express",
                    "role_arn": ROLE,
                    "definition": json.dumps(definition),
                    "type": "EXPRESS",
                    "logging_configuration": {
                        "level": "ERROR",
                        "include_execution_data": True,
                        "log_destination": f"arn:aws:logs:{REGION}:000000000000:log-group:express:*",
                    },
                    "tracing_configuration": {"enabled": True},
                },
            },
            "aws_sfn_alias": {"live": {"name": "live", "description": "what customers get", "routing_configuration": routes}},
        },
        "data": {
            "aws_sfn_activity": {"work": {"arn": "${aws_sfn_activity.work.id}"}},
            "aws_sfn_alias": {"live": {"name": "live", "statemachine_arn": "${aws_sfn_state_machine.standard.arn}",
                                       "depends_on": ["aws_sfn_alias.live"]}},
            "aws_sfn_state_machine": {"standard": {"name": name, "depends_on": ["aws_sfn_state_machine.standard"]}},
            "aws_sfn_state_machine_versions": {"standard": {"statemachine_arn": "${aws_sfn_state_machine.standard.arn}",
                                                            "depends_on": ["aws_sfn_alias.live"]}},
        },
        "output": {"versions": {"value": "${data.aws_sfn_state_machine_versions.standard.statemachine_versions}"}},
    }


@unittest.skipUnless(available(), "terraform with the AWS provider is not on this machine")
class Terraform(Case):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp(prefix="stepfleet-terraform.")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.name = unique("terraform")

    def configure(self, output, weight):
        with open(os.path.join(self.folder, "main.tf.json"), "w", encoding="utf-8") as file:
            json.dump(configuration(self.name, output, weight), file)

    def terraform(self, *arguments):
        settings = os.path.join(self.folder, "settings.tfrc")
        open(settings, "w", encoding="utf-8").close()
        environment = {**os.environ, "TF_CLI_CONFIG_FILE": settings, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
        run = subprocess.run(
            ["terraform", *arguments, "-no-color"], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(run.returncode, 0, f"terraform {arguments[0]}\n{run.stdout}\n{run.stderr}")
        return run.stdout

    def apply(self):
        """Applies; a plan after it must find nothing to change, or it would exit with 2."""
        self.terraform("apply", "-input=false", "-auto-approve")
        self.terraform("plan", "-input=false", "-detailed-exitcode")

    def mine(self):
        """What the coordinator has of this test, by name."""
        pages = [(kind, page) for operation, kind in LISTS.items() for page in self.sfn.get_paginator(operation).paginate()]
        return {each["name"]: each for kind, page in pages for each in page[kind] if each["name"].startswith(self.name)}

    def test_machines_activities_versions_and_aliases_come_change_and_go(self):
        self.configure("one", 100)
        self.terraform("init", "-input=false", f"-plugin-dir={plugins()}")
        self.apply()
        self.assertEqual(set(self.mine()), {self.name, f"{self.name}-express", f"{self.name}-work"})
        machine = self.mine()[self.name]["stateMachineArn"]
        self.assertEqual(self.routes(machine), [(f"{machine}:1", 100)])
        self.assertEqual(self.outputs(machine), {"one"})

        self.configure("two", 100)
        self.apply()
        self.assertEqual(self.routes(machine), [(f"{machine}:2", 100)])
        self.assertEqual(self.outputs(machine), {"two"})
        self.assertEqual(self.sfn.list_tags_for_resource(resourceArn=machine)["tags"], [{"key": "output", "value": "two"}])

        self.configure("two", 40)
        self.apply()
        self.assertEqual(self.routes(machine), [(f"{machine}:1", 60), (f"{machine}:2", 40)])
        versions = json.loads(self.terraform("output", "-json"))["versions"]["value"]
        self.assertEqual(sorted(versions), [f"{machine}:1", f"{machine}:2"])

        self.terraform("destroy", "-input=false", "-auto-approve")
        self.assertEqual(self.mine(), {})

    def routes(self, machine):
        alias = self.sfn.describe_state_machine_alias(stateMachineAliasArn=f"{machine}:live")
        return sorted((route["stateMachineVersionArn"], route["weight"]) for route in alias["routingConfiguration"])

    def outputs(self, machine):
        """What an execution by the alias gives."""
        return {json.loads(self.ended(self.start(f"{machine}:live"))["output"])}


if __name__ == "__main__":
    unittest.main()
