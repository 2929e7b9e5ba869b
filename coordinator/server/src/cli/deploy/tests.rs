//! Deployments without a coordinator: what a template means, what is refused, and what is planned.

mod coordinator;
mod synthesized;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::definition::{Files, ReadFile};
use super::desired::Desired;
use super::evaluation::{Evaluation, Given};
use super::inventory::{Details, FoundMachine, Inventory, Settings};
use super::names::Place;
use super::owner::{Owner, Tags};
use super::plan::{self, Action};
use super::problem::Problems;
use super::template::Template;
use super::yaml::{self, LocalTags};

const PREFIX: &str = "arn:aws:states:us-east-1:000000000000:";

/// Definitions by their path.
struct Texts(BTreeMap<String, String>);

impl Files for Texts {
    fn local(&self, path: &str) -> Result<ReadFile, String> {
        let text = self.0.get(path).cloned();
        let text = text.ok_or_else(|| format!("{path}: no such file"))?;
        Ok(ReadFile {
            name: path.to_owned(),
            text,
        })
    }

    fn asset(&self, _bucket: &str, key: &str) -> Result<ReadFile, String> {
        self.local(key)
    }
}

/// What a template evaluates to: desired resources, problems, outputs.
struct Evaluated {
    desired: BTreeMap<String, Desired>,
    problems: Vec<String>,
    outputs: BTreeMap<String, Value>,
    order: Vec<String>,
    skipped: Vec<String>,
}

fn evaluate(text: &str, parameters: &[(&str, &str)]) -> Evaluated {
    let files = [
        ("a.json", r#"{"StartAt":"${First}"}"#),
        ("a.yaml", "StartAt: ${First}\nN: 1.0\n"),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let files = Texts(BTreeMap::from(files));
    let place = Place::new(PREFIX, "shop").unwrap();
    let parameters: BTreeMap<String, String> = parameters
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let mut problems = Problems::default();
    let document = yaml::parse(text, LocalTags::Functions).unwrap();
    let skip = ["AWS::Lambda::*".to_owned()];
    let template = Template::read(&document, &skip, &parameters, &mut problems);
    let given = Given {
        place: &place,
        parameters: &parameters,
        files: &files,
        stack_tags: &Tags::new(),
    };
    let mut evaluation = Evaluation::new(&template, given, &mut problems);
    let begun = evaluation.clone();
    plan::plan(&mut evaluation, &Inventory::default(), &mut problems);
    let mut outputs = BTreeMap::new();
    let read = evaluation.outputs(&mut problems);
    outputs.extend(read.into_iter().map(|out| (out.name, out.value)));
    let mut desired = BTreeMap::new();
    for id in begun.order() {
        let read = evaluation.desired(id, &mut Problems::default());
        desired.extend(read.map(|read| (id.clone(), read)));
    }
    Evaluated {
        desired,
        problems: problems.iter().map(ToString::to_string).collect(),
        outputs,
        order: begun.order().to_vec(),
        skipped: template
            .skipped
            .iter()
            .map(|skipped| skipped.at.clone())
            .collect(),
    }
}

/// Evaluates `value` as an output, beside one activity `Approve` and one skipped function `Work`.
fn check_value(value: &str, expect: Value) {
    let text = format!(
        "Parameters:\n  Stage: {{Type: String, Default: live}}\n  Zones: {{Type: CommaDelimitedList, Default: 'a,b'}}\n  \
         Secret: {{Type: String, Default: x, NoEcho: true}}\n\
         Mappings:\n  M: {{live: {{n: 3, list: [p, q]}}}}\n\
         Conditions:\n  Live: !Equals [!Ref Stage, live]\n  Dead: !Not [Condition: Live]\n  \
         Both: !And [!Condition Live, !Condition Dead]\n  Any: !Or [!Condition Live, !Condition Dead]\n\
         Resources:\n  Approve: {{Type: 'AWS::StepFunctions::Activity', Properties: {{Name: approve}}}}\n  \
         Work: {{Type: 'AWS::Lambda::Function', Properties: {{FunctionName: !Sub 'work-${{Stage}}'}}}}\n\
         Outputs:\n  O:\n    Value: {value}\n"
    );
    let evaluated = evaluate(&text, &[]);
    assert_eq!(evaluated.problems, Vec::<String>::new(), "{value}");
    assert_eq!(evaluated.outputs["O"], expect, "{value}");
}

#[test]
fn functions_are_carried_out() {
    let arn = |rest: &str| json!(format!("{PREFIX}{rest}"));
    check_value("!Ref Stage", json!("live"));
    check_value("!Ref Approve", arn("activity:approve"));
    check_value("!GetAtt Approve.Name", json!("approve"));
    check_value("!Ref Work", json!("work-live"));
    let function = "arn:aws:lambda:us-east-1:000000000000:function:work-live";
    check_value("!GetAtt Work.Arn", json!(function));
    check_value(
        "!Sub '${Work.Arn}:$LATEST'",
        json!(format!("{function}:$LATEST")),
    );
    check_value(
        "!Sub '${Stage}-${!Stage}-$x-${AWS::Region}'",
        json!("live-${Stage}-$x-us-east-1"),
    );
    check_value(
        "!Sub ['${A}/${Stage}', {A: !Select [0, !Ref Zones]}]",
        json!("a/live"),
    );
}

#[test]
fn pseudo_parameters_tell_where_the_stack_lives() {
    let text = "!Sub '${AWS::Partition} ${AWS::AccountId} ${AWS::StackName} ${AWS::URLSuffix}'";
    check_value(text, json!("aws 000000000000 shop amazonaws.com"));
    check_value(
        "!Select [1, !Split ['/', !Ref 'AWS::StackId']]",
        json!("shop"),
    );
}

#[test]
fn what_must_not_be_seen_is_not_shown() {
    check_value("!Ref Secret", json!("****"));
    check_value("!Sub 'a-${Secret}'", json!("****"));
}

#[test]
fn lists_and_maps_are_looked_up() {
    check_value("!Join ['-', [a, !Ref Stage, 1]]", json!("a-live-1"));
    check_value("!Join ['', !Ref Zones]", json!("ab"));
    check_value("!Select [1, !Ref Zones]", json!("b"));
    check_value("!Select ['0', !Split ['/', 'x/y']]", json!("x"));
    check_value("!FindInMap [M, !Ref Stage, n]", json!(3));
    check_value("!FindInMap [M, live, list]", json!(["p", "q"]));
    check_value("!Base64 hi", json!("aGk="));
    check_value("!If [Live, !Ref Stage, other]", json!("live"));
    check_value("!If [Both, 1, !If [Any, 2, 3]]", json!(2));
    check_value(
        "[1, !Ref 'AWS::NoValue', {a: !Ref 'AWS::NoValue'}]",
        json!([1, {}]),
    );
}

/// The problems of a template, without the section that is wanted by all.
fn problems(text: &str) -> Vec<String> {
    evaluate(text, &[]).problems
}

const MACHINE: &str = "Type: AWS::StepFunctions::StateMachine";

#[test]
fn everything_that_is_not_handled_is_told_at_once() {
    let text = r#"
Transform: [AWS::Serverless-2016-10-31, Mine]
Hooks: {}
Rules: {Odd: {}, CheckBootstrapVersion: {}}
Parameters:
  Version: {Type: "AWS::SSM::Parameter::Value<String>", Default: /x}
Resources:
  Orders:
    Type: AWS::Serverless::StateMachine
    CreationPolicy: {}
    DeletionPolicy: Snapshot
    Properties:
      Type: FAST
      Colour: blue
      DefinitionUri: s3://bucket/orders.json
      Events: {Hourly: {Type: Schedule}}
      Policies: [AWSLambdaBasicExecutionRole]
      DeploymentPreference: {Type: LINEAR}
      Logging: {Level: LOUD, Colour: red}
      Tags: {"stepfleet:stack": mine}
  Ship:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      DefinitionString: "{}"
      Definition: {}
      RoleArn: "{{resolve:ssm:/role}}"
      StateMachineName: !ImportValue other
  Table: {Type: "AWS::DynamoDB::Table"}
  Work: {Type: "AWS::Lambda::Function"}
  Note:
    Type: AWS::StepFunctions::Activity
    DependsOn: Nobody
    Properties:
      Name: !Ref Version
      Tags: [{Key: a}, {Key: "aws:x", Value: y}]
  Route:
    Type: AWS::StepFunctions::StateMachineAlias
    Properties:
      Name: "17"
      RoutingConfiguration:
        - {StateMachineVersionArn: "arn:x:1", Weight: 60}
        - {StateMachineVersionArn: "arn:y:1", Weight: 60}
Outputs:
  A: {Value: !Ref Nothing}
"#;
    insta::assert_snapshot!(problems(text).join("\n"));
}

#[test]
fn references_to_nothing_are_told_where_they_stand() {
    let text = format!(
        "Resources:\n  A:\n    {MACHINE}\n    Properties:\n      RoleArn: !GetAtt [B, Arn]\n      \
         DefinitionString: !Sub '${{C}} ${{Work.Colour}}'\n      StateMachineName: !If [Odd, a, b]\n      \
         Tags: !Select [3, [a]]\n      DefinitionSubstitutions: {{X: [1]}}\n      \
         StateMachineType: {{'Fn::Cidr': [a]}}\n  Work: {{Type: AWS::Lambda::Function}}\n"
    );
    insta::assert_snapshot!(problems(&text).join("\n"));
}

#[test]
fn circles_are_named() {
    let text = format!(
        "Conditions: {{A: {{Condition: B}}, B: !Not [{{Condition: A}}]}}\nResources:\n  \
         A: {{{MACHINE}, Properties: {{RoleArn: !Ref B, DefinitionString: '{{}}'}}}}\n  \
         B: {{{MACHINE}, DependsOn: [A], Properties: {{RoleArn: r, DefinitionString: '{{}}'}}}}\n"
    );
    assert_eq!(
        problems(&text),
        [
            "Conditions: a circle: A -> B -> A",
            "Resources: they need each other: A -> B -> A"
        ]
    );
}

fn machine(properties: &str) -> Evaluated {
    let properties = properties.replace('\n', "\n      ");
    evaluate(
        &format!(
            "Resources:\n  A:\n    {MACHINE}\n    Properties:\n      RoleArn: r\n      {properties}\n"
        ),
        &[],
    )
}

/// The text of the definition that properties give.
fn check_definition(properties: &str, expect: &str) {
    let evaluated = machine(properties);
    assert_eq!(evaluated.problems, Vec::<String>::new());
    let Desired::Machine(machine) = &evaluated.desired["A"] else {
        panic!("no machine")
    };
    assert_eq!(machine.definition, expect, "{properties}");
}

#[test]
fn definitions_come_from_everywhere() {
    check_definition("DefinitionString: '{\"A\": 1}'", "{\"A\": 1}");
    check_definition(
        "DefinitionString: !Join ['', ['{\"R\":\"', !Sub '${AWS::Region}', '\"}']]",
        "{\"R\":\"us-east-1\"}",
    );
    check_definition(
        "Definition: {B: 1.0, A: !Ref AWS::Region}",
        "{\n  \"B\": 1.0,\n  \"A\": \"us-east-1\"\n}",
    );
    let substitutions = "\nDefinitionSubstitutions: {First: Go}";
    check_definition(
        &format!("DefinitionUri: a.json{substitutions}"),
        "{\"StartAt\":\"Go\"}",
    );
    check_definition(
        &format!("DefinitionUri: a.yaml{substitutions}"),
        "{\n  \"StartAt\": \"Go\",\n  \"N\": 1.0\n}",
    );
    check_definition(
        "DefinitionS3Location: {Bucket: b, Key: a.json}",
        "{\"StartAt\":\"${First}\"}",
    );
    // A value is never substituted in itself, and may stand where JSON wants a number.
    check_definition(
        "DefinitionString: '{\"N\": ${N}, \"A\": \"${A}\"}'\nDefinitionSubstitutions: {N: 5, A: '${N}'}",
        "{\"N\": 5, \"A\": \"${N}\"}",
    );
}

#[test]
fn settings_are_as_the_api_keeps_them() {
    let evaluated = machine(
        "DefinitionString: '{}'\nTracingConfiguration: {Enabled: 'true'}\nLoggingConfiguration:\n  Level: ALL\n  \
         Destinations: [CloudWatchLogsLogGroup: {LogGroupArn: arn:x}]",
    );
    assert_eq!(evaluated.problems, Vec::<String>::new());
    let Desired::Machine(machine) = &evaluated.desired["A"] else {
        panic!("no machine")
    };
    assert_eq!(
        machine.settings.logging,
        r#"{"level":"ALL","includeExecutionData":false,"destinations":[{"cloudWatchLogsLogGroup":{"logGroupArn":"arn:x"}}]}"#
    );
    assert_eq!(machine.settings.tracing, r#"{"enabled":true}"#);
    assert_eq!(machine.settings.encryption, r#"{"type":"AWS_OWNED_KEY"}"#);
}

#[test]
fn resources_stand_behind_what_they_need() {
    let text = "Resources:\n  A: {Type: AWS::StepFunctions::StateMachine, DependsOn: D, Properties: {RoleArn: !Sub \
                '${C.Name}', DefinitionString: '{}'}}\n  B: {Type: AWS::StepFunctions::StateMachineVersion, \
                Properties: {StateMachineArn: !Ref A}}\n  C: {Type: AWS::StepFunctions::Activity}\n  D: {Type: \
                AWS::StepFunctions::Activity, Condition: Never}\nConditions: {Never: !Equals [a, b]}\n";
    let evaluated = evaluate(text, &[]);
    assert_eq!(evaluated.problems, Vec::<String>::new());
    assert_eq!(evaluated.order, ["C", "A", "B"]);
}

#[test]
fn serverless_machines_get_what_sam_makes() {
    let text = "Transform: AWS::Serverless-2016-10-31\nGlobals: {StateMachine: {Tags: {team: a, stage: x}}}\n\
                Resources:\n  Orders:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      \
                DefinitionUri: a.json\n      Tags: {stage: live}\n      AutoPublishAlias: !Ref Name\n      \
                DeploymentPreference: {Type: ALL_AT_ONCE}\n      Policies: [X]\n\
                Parameters: {Name: {Type: String, Default: live}}\nOutputs: {Alias: {Value: !Ref OrdersAliaslive}, Role: {Value: !GetAtt OrdersRole.Arn}}\n";
    let evaluated = evaluate(text, &[]);
    assert_eq!(evaluated.problems, Vec::<String>::new());
    assert_eq!(
        evaluated.order,
        ["Orders", "OrdersVersion", "OrdersAliaslive"]
    );
    assert_eq!(evaluated.skipped, ["Resources.Orders.Properties.Policies"]);
    let Desired::Machine(machine) = &evaluated.desired["Orders"] else {
        panic!("no machine")
    };
    assert_eq!(
        (&*machine.tags["team"], &*machine.tags["stage"]),
        ("a", "live")
    );
    assert_eq!(evaluated.outputs["Role"], json!(machine.role_arn));
    let alias = evaluated.outputs["Alias"].as_str().unwrap();
    assert_eq!(alias, format!("{PREFIX}stateMachine:{}:live", machine.name));
}

/// The plan for one activity `A` and one state machine `M` named `m`, beside what is there; problems instead.
fn check_plan(inventory: &Inventory, expect: &[&str]) {
    let document = json!({"Resources": {
        "A": {"Type": "AWS::StepFunctions::Activity"},
        "M": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {
            "StateMachineName": "m", "DefinitionString": "{}", "RoleArn": "r"
        }},
    }});
    let mut problems = Problems::default();
    let template = Template::read(&document, &[], &BTreeMap::new(), &mut problems);
    let place = Place::new(PREFIX, "shop").unwrap();
    let given = Given {
        place: &place,
        parameters: &BTreeMap::new(),
        files: &Texts(BTreeMap::new()),
        stack_tags: &Tags::new(),
    };
    let mut evaluation = Evaluation::new(&template, given, &mut problems);
    let plan = plan::plan(&mut evaluation, inventory, &mut problems);
    let mut told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if told.is_empty() {
        told.extend(plan.steps.iter().map(|step| match &step.action {
            Action::Create => format!("create {}", step.logical_id),
            Action::Update(changed) => format!("update {} {}", step.logical_id, changed.join(" ")),
            Action::Replace(changed) => {
                format!("replace {} {}", step.logical_id, changed.join(" "))
            }
            Action::Keep => format!("keep {}", step.logical_id),
        }));
        told.extend(plan.removals.iter().map(|removal| {
            let word = if removal.retain { "retain" } else { "delete" };
            format!("{word} {} {}", removal.logical_id, removal.what.name())
        }));
        told.extend(plan.unread.iter().map(|arn| format!("unread {arn}")));
        told.extend(plan.stale.iter().map(|(_, key)| format!("stale {key}")));
    }
    assert_eq!(told, expect);
}

fn owner(stack: &str, logical_id: &str) -> Owner {
    Owner {
        stack: stack.to_owned(),
        logical_id: logical_id.to_owned(),
        retain: false,
    }
}

/// An inventory with one state machine `name`.
fn with_machine(name: &str, tags: Tags, details: Option<Details>) -> Inventory {
    let arn = format!("{PREFIX}stateMachine:{name}");
    Inventory {
        machines: BTreeMap::from([(arn, FoundMachine { tags, details })]),
        ..Inventory::default()
    }
}

fn details() -> Details {
    Details {
        definition: "{}".into(),
        role_arn: "r".into(),
        settings: Settings {
            logging: r#"{"level":"OFF","includeExecutionData":false}"#.into(),
            tracing: r#"{"enabled":false}"#.into(),
            encryption: r#"{"type":"AWS_OWNED_KEY"}"#.into(),
        },
        revision: "INITIAL".into(),
        ..Details::default()
    }
}

#[test]
fn what_is_there_decides_what_is_done() {
    check_plan(&Inventory::default(), &["create A", "create M"]);
    let ours = owner("shop", "M").tags();
    check_plan(
        &with_machine("m", ours.clone(), Some(details())),
        &["create A", "keep M"],
    );
    let changed = Details {
        definition: "other".into(),
        ..details()
    };
    let mut tags = ours.clone();
    tags.insert("stepfleet:alias:gone".into(), owner("shop", "Gone").mark());
    check_plan(
        &with_machine("m", tags, Some(changed)),
        &[
            "create A",
            "update M Definition",
            "stale stepfleet:alias:gone",
        ],
    );
    check_plan(
        &with_machine("before", ours.clone(), Some(details())),
        &["create A", "replace M StateMachineName", "delete M before"],
    );
    let old = owner("shop", "Old").tags();
    check_plan(
        &with_machine("old", old, Some(details())),
        &["create A", "create M", "delete Old old"],
    );
    let other = owner("other", "Old").tags();
    check_plan(
        &with_machine("old", other.clone(), None),
        &["create A", "create M"],
    );
    let arn = format!("unread {PREFIX}stateMachine:m");
    check_plan(
        &with_machine("m", other.clone(), None),
        &["create A", "keep M", &arn],
    );
    check_plan(
        &with_machine("m", other, Some(details())),
        &[
            "Resources.M.Properties.StateMachineName: there is a state machine m already: Old of the stack other",
        ],
    );
    let going = Details {
        deleting: true,
        ..details()
    };
    check_plan(
        &with_machine("m", ours, Some(going)),
        &[
            "Resources.M.Properties.StateMachineName: m is still being deleted: it goes when its last execution has ended",
        ],
    );
}

#[test]
fn a_state_machine_has_room_for_fifty_tags() {
    let mut tags = owner("shop", "M").tags();
    for number in 0..49 {
        tags.insert(
            format!("stepfleet:version:{number}"),
            owner("other", "V").mark(),
        );
    }
    check_plan(
        &with_machine("m", tags, Some(details())),
        &[
            "m: it would have 51 tags, and 50 are allowed; each version and alias of a stack takes one",
        ],
    );
}
