//! Deployments to a real coordinator: what is there after each of them.

use serde_json::{Value, json};

use crate::cli::deploy::testing::World;

const DEPLOY: &str = "deploy DIR/shop.yaml --stack shop";

/// A template with an activity and a state machine, whose definition has a comment that can be changed.
fn shop(comment: &str, more: &str) -> String {
    format!(
        r#"
Resources:
  Approve:
    Type: AWS::StepFunctions::Activity
  Orders:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      StateMachineName: orders
      RoleArn: arn:aws:iam::000000000000:role/orders
      Tags: [{{Key: team, Value: a}}]
      Definition:
        Comment: {comment}
        StartAt: Approve
        States:
          Approve: {{Type: Task, Resource: !Ref Approve, End: true}}
{more}
"#
    )
}

/// A version of every revision, and an alias that leads to it.
const PUBLISHED: &str = r"
  Published:
    Type: AWS::StepFunctions::StateMachineVersion
    Properties:
      StateMachineArn: !Ref Orders
      StateMachineRevisionId: !GetAtt Orders.StateMachineRevisionId
  Live:
    Type: AWS::StepFunctions::StateMachineAlias
    Properties:
      Name: live
      RoutingConfiguration: [{StateMachineVersionArn: !Ref Published, Weight: 100}]
Outputs:
  Live: {Value: !Ref Live}
  Version: {Value: !Ref Published}
";

async fn machines(world: &World) -> Vec<String> {
    names(
        &world.document("machine list").await["stateMachines"],
        "name",
    )
}

async fn versions(world: &World) -> Vec<String> {
    let versions = world.document("version list orders").await;
    let mut names = names(&versions["stateMachineVersions"], "stateMachineVersionArn");
    names.reverse();
    names
}

fn names(list: &Value, member: &str) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    let name = |item: &Value| {
        item[member]
            .as_str()
            .unwrap()
            .rsplit(':')
            .next()
            .unwrap()
            .to_owned()
    };
    items.map(name).collect()
}

#[tokio::test]
async fn a_stack_is_created_kept_updated_and_deleted() {
    let world = World::start().await;
    world.write("shop.yaml", &shop("one", ""));
    let created = world.done(&format!("{DEPLOY} --yes")).await;
    assert!(created.contains("created Orders  orders"), "{created}");
    assert_eq!(machines(&world).await, ["orders"]);
    let tags = world.done("tag list orders").await;
    for line in [
        "team                  a",
        "stepfleet:stack       shop",
        "stepfleet:logical-id  Orders",
    ] {
        assert!(tags.contains(line), "{tags}");
    }

    let again = world.done(&format!("{DEPLOY} --yes")).await;
    assert_eq!(
        again,
        "nothing to change: the stack shop is as the template says\n"
    );
    assert_eq!(world.plan(DEPLOY).await, Vec::<String>::new());

    world.write(
        "shop.yaml",
        &shop("two", "").replace("role/orders", "role/other"),
    );
    assert_eq!(
        world.plan(DEPLOY).await,
        ["update Orders Definition RoleArn"]
    );
    world.done(&format!("{DEPLOY} --yes")).await;
    let machine = world.document("machine show orders").await;
    assert_eq!(machine["definition"]["Comment"], "two");
    assert_eq!(machine["roleArn"], "arn:aws:iam::000000000000:role/other");

    let deleted = world.done("deploy --delete --stack shop --yes").await;
    assert!(deleted.contains("deleted Orders  orders"), "{deleted}");
    assert_eq!(machines(&world).await, Vec::<String>::new());
    let activities = world.document("activity list").await;
    assert_eq!(activities, json!({"activities": []}));
    let again = world.run("deploy --delete --stack shop --yes").await;
    assert_eq!(again.code, 0);
    assert!(
        again.remarks.starts_with("nothing to delete"),
        "{}",
        again.remarks
    );
}

#[tokio::test]
async fn nothing_is_done_without_consent() {
    let world = World::start().await;
    world.write("shop.yaml", &shop("one", ""));
    let ran = world.run(DEPLOY).await;
    assert_eq!(ran.code, 2);
    assert!(
        ran.results
            .contains("create  Orders    StateMachine  orders"),
        "{}",
        ran.results
    );
    assert!(ran.remarks.contains("--yes does it"), "{}", ran.remarks);
    let json = world.run(&format!("{DEPLOY} --output json")).await;
    let document: Value = serde_json::from_str(&json.results).unwrap();
    assert_eq!(
        (json.code, &document["resources"][1]["action"]),
        (2, &json!("create"))
    );
    let planned = world.done(&format!("{DEPLOY} --plan")).await;
    assert_eq!(planned, ran.results);
    assert_eq!(machines(&world).await, Vec::<String>::new());
}

#[tokio::test]
async fn settings_and_tags_are_kept_as_the_template_says() {
    let world = World::start().await;
    let tracing = "StateMachineName: orders\n      TracingConfiguration: {Enabled: true}";
    let text = shop("one", "");
    world.write(
        "shop.yaml",
        &text.replace("StateMachineName: orders", tracing),
    );
    world.done(&format!("{DEPLOY} --yes")).await;
    assert_eq!(world.plan(DEPLOY).await, Vec::<String>::new());
    world.done("tag set orders stray=1").await;
    world.write("shop.yaml", &text.replace("Value: a", "Value: b"));
    assert_eq!(
        world.plan(DEPLOY).await,
        ["update Orders TracingConfiguration Tags"]
    );
    world.done(&format!("{DEPLOY} --yes")).await;
    let tags = world.done("tag list orders").await;
    assert!(
        !tags.contains("stray") && tags.contains("team                  b"),
        "{tags}"
    );
    assert_eq!(world.plan(DEPLOY).await, Vec::<String>::new());
}

#[tokio::test]
async fn another_name_or_type_is_another_machine() {
    let world = World::start().await;
    let text = shop("one", PUBLISHED);
    world.write("shop.yaml", &text);
    world.done(&format!("{DEPLOY} --yes")).await;
    world.write("shop.yaml", &text.replace("Name: orders", "Name: buys"));
    assert_eq!(
        world.plan(DEPLOY).await,
        [
            "replace Orders StateMachineName",
            "replace Published StateMachineRevisionId",
            "replace Live Name",
            "delete Live live",
            "delete Published 1",
            "delete Orders orders",
        ]
    );
    world.done(&format!("{DEPLOY} --yes")).await;
    assert_eq!(machines(&world).await, ["buys"]);
    assert_eq!(world.plan(DEPLOY).await, Vec::<String>::new());

    // A pass state, because an Express machine serves no activities.
    let express = text
        .replace("StateMachineName: orders", "StateMachineType: EXPRESS")
        .replace("Type: Task, Resource: !Ref Approve", "Type: Pass");
    world.write("shop.yaml", &express);
    world.done(&format!("{DEPLOY} --yes")).await;
    world.write(
        "shop.yaml",
        &express.replace("StateMachineType: EXPRESS", "StateMachineType: STANDARD"),
    );
    let plan = world.plan(DEPLOY).await;
    assert_eq!(plan[0], "replace Orders StateMachineType");
    world.done(&format!("{DEPLOY} --yes")).await;
    assert_eq!(machines(&world).await.len(), 1);

    let named = express.replace("StateMachineType: EXPRESS", "StateMachineName: fix");
    world.write("shop.yaml", &named);
    world.done(&format!("{DEPLOY} --yes")).await;
    let retyped = named.replace(
        "StateMachineName: fix",
        "StateMachineName: fix\n      StateMachineType: EXPRESS",
    );
    world.write("shop.yaml", &retyped);
    let told = world.refused(DEPLOY).await;
    assert!(
        told.contains("Orders.Properties.StateMachineType: the type of fix cannot change"),
        "{told}"
    );
}

#[tokio::test]
async fn what_leaves_the_template_is_deleted_unless_it_is_retained() {
    let world = World::start().await;
    let more = "  Ask:\n    Type: AWS::StepFunctions::Activity\n    Properties: {Name: ask}\n  Keep:\n    \
                Type: AWS::StepFunctions::Activity\n    DeletionPolicy: Retain\n    Properties: {Name: keep}\n";
    world.write("shop.yaml", &shop("one", more));
    world.done(&format!("{DEPLOY} --yes")).await;
    world.write("shop.yaml", &shop("one", ""));
    assert_eq!(
        world.plan(DEPLOY).await,
        ["delete Ask ask", "retain Keep keep"]
    );
    world.done(&format!("{DEPLOY} --yes")).await;
    world.done("activity show keep").await;
    world.refused("activity show ask").await;
    // It belongs to nobody now, and is not taken by accident.
    world.write("shop.yaml", &shop("one", more));
    let told = world.refused(DEPLOY).await;
    assert!(
        told.contains("there is an activity keep already, and it belongs to no stack"),
        "{told}"
    );
    let retag = "tag set --activity keep stepfleet:stack=shop stepfleet:logical-id=Keep";
    world.done(retag).await;
    assert_eq!(
        world.plan(DEPLOY).await,
        ["create Ask", "update Keep DeletionPolicy"]
    );
}

#[tokio::test]
async fn a_new_revision_is_published_and_the_alias_moves() {
    let world = World::start().await;
    world.write("shop.yaml", &shop("one", PUBLISHED));
    let document = world.document(&format!("{DEPLOY} --yes")).await;
    let version = document["outputs"]["Version"].as_str().unwrap();
    assert!(version.ends_with(":orders:1"), "{document}");
    assert_eq!(world.plan(DEPLOY).await, Vec::<String>::new());
    // Tags and the rest make no revision.
    world.write(
        "shop.yaml",
        &shop("one", PUBLISHED).replace("Value: a", "Value: b"),
    );
    assert_eq!(world.plan(DEPLOY).await, ["update Orders Tags"]);

    world.write("shop.yaml", &shop("two", PUBLISHED));
    assert_eq!(
        world.plan(DEPLOY).await,
        [
            "update Orders Definition",
            "replace Published StateMachineRevisionId",
            "update Live RoutingConfiguration",
            "delete Published 1",
        ]
    );
    let document = world.document(&format!("{DEPLOY} --yes")).await;
    assert!(
        document["outputs"]["Version"]
            .as_str()
            .unwrap()
            .ends_with(":2")
    );
    assert_eq!(versions(&world).await, ["2"]);
    let alias = world.document("alias show orders:live").await;
    let routed = names(&alias["routingConfiguration"], "stateMachineVersionArn");
    assert_eq!(routed, ["2"]);
    assert_eq!(world.plan(DEPLOY).await, Vec::<String>::new());
    let tags = world.done("tag list orders").await;
    assert!(
        tags.contains("stepfleet:version:2") && !tags.contains("stepfleet:version:1"),
        "{tags}"
    );
}

#[tokio::test]
async fn versions_without_a_revision_stay_and_share_an_alias() {
    let world = World::start().await;
    let version = |id: &str| {
        format!(
            "  {id}:\n    Type: AWS::StepFunctions::StateMachineVersion\n    Properties: {{StateMachineArn: !Ref Orders}}\n"
        )
    };
    let alias = |routes: &str| {
        format!(
            "  Live:\n    Type: AWS::StepFunctions::StateMachineAlias\n    Properties:\n      Name: live\n      \
             RoutingConfiguration: [{routes}]\n"
        )
    };
    let route =
        |id: &str, weight| format!("{{StateMachineVersionArn: !Ref {id}, Weight: {weight}}}");
    let first = version("VersionA") + &alias(&route("VersionA", 100));
    world.write("shop.yaml", &shop("one", &first));
    world.done(&format!("{DEPLOY} --yes")).await;
    let routes = format!("{}, {}", route("VersionA", 80), route("VersionB", 20));
    let both = version("VersionA") + &version("VersionB") + &alias(&routes);
    world.write("shop.yaml", &shop("two", &both));
    assert_eq!(
        world.plan(DEPLOY).await,
        [
            "update Orders Definition",
            "create VersionB",
            "update Live RoutingConfiguration"
        ]
    );
    world.done(&format!("{DEPLOY} --yes")).await;
    let shown = world.done("alias show orders:live").await;
    assert!(shown.contains("1 (80 %), 2 (20 %)"), "{shown}");
    assert_eq!(world.plan(DEPLOY).await, Vec::<String>::new());
    // One revision has one version.
    let three = both + &version("VersionC");
    world.write("shop.yaml", &shop("two", &three));
    let told = world.refused(DEPLOY).await;
    assert!(
        told.contains("the revision has the version 2 already: VersionB of the stack shop"),
        "{told}"
    );
}

#[tokio::test]
async fn what_others_made_is_left_alone() {
    let world = World::start().await;
    world.write(
        "pass.json",
        r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}"#,
    );
    world
        .done("machine create DIR/pass.json --name orders")
        .await;
    world.write("shop.yaml", &shop("one", ""));
    let told = world.refused(DEPLOY).await;
    assert!(
        told.contains("there is a state machine orders already, and it belongs to no stack"),
        "{told}"
    );
    // Something is published of a state machine outside the stack.
    let arn = "arn:aws:states:us-east-1:000000000000:stateMachine:orders";
    let text = format!(
        "Resources:{}",
        PUBLISHED
            .replace("!Ref Orders", arn)
            .replace("!GetAtt Orders.StateMachineRevisionId", "INITIAL")
    );
    world.write("shop.yaml", &text);
    world.done(&format!("{DEPLOY} --yes")).await;
    assert_eq!(world.plan(DEPLOY).await, Vec::<String>::new());
    world.done("deploy --delete --stack shop --yes").await;
    assert_eq!(machines(&world).await, ["orders"]);
    assert_eq!(versions(&world).await, Vec::<String>::new());
    assert_eq!(world.document("tag list orders").await, json!({"tags": []}));
}

#[tokio::test]
async fn a_deployment_that_was_cut_short_goes_on() {
    let world = World::start().await;
    world.write("shop.yaml", &shop("one", PUBLISHED));
    world.done(&format!("{DEPLOY} --yes")).await;
    // As after a crash between publishing and what follows it.
    world.done("alias delete orders:live").await;
    world.done("tag remove orders stepfleet:version:1").await;
    assert_eq!(
        world.plan(DEPLOY).await,
        ["create Published", "create Live"]
    );
    world.done(&format!("{DEPLOY} --yes")).await;
    assert_eq!(versions(&world).await, ["1"]);
    assert_eq!(world.plan(DEPLOY).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_definition_with_errors_changes_nothing() {
    let world = World::start().await;
    world.write(
        "shop.yaml",
        &shop("one", "").replace("StartAt: Approve", "StartAt: Nowhere"),
    );
    let told = world.refused(&format!("{DEPLOY} --yes")).await;
    assert!(
        told.contains("Resources.Orders.Properties.Definition: MISSING_TRANSITION_TARGET"),
        "{told}"
    );
    assert!(told.contains("1 problem; nothing was changed"), "{told}");
    let activities = world.document("activity list").await;
    assert_eq!(activities, json!({"activities": []}));
}

#[tokio::test]
async fn what_is_replaced_stays_when_it_is_retained() {
    let world = World::start().await;
    let text = shop("one", "").replace(
        "    Type: AWS::StepFunctions::StateMachine\n",
        "    Type: AWS::StepFunctions::StateMachine\n    UpdateReplacePolicy: Retain\n",
    );
    world.write("shop.yaml", &text);
    world.done(&format!("{DEPLOY} --yes")).await;
    world.write("shop.yaml", &text.replace("Name: orders", "Name: buys"));
    assert_eq!(
        world.plan(DEPLOY).await,
        ["replace Orders StateMachineName", "retain Orders orders"]
    );
    let done = world.done(&format!("{DEPLOY} --yes")).await;
    assert!(done.contains("kept Orders  orders"), "{done}");
    assert_eq!(machines(&world).await, ["buys", "orders"]);
    world.done("deploy --delete --stack shop --yes").await;
    assert_eq!(machines(&world).await, ["orders"]);
    let tags = world.document("tag list orders").await;
    assert_eq!(tags, json!({"tags": [{"key": "team", "value": "a"}]}));
}

#[tokio::test]
async fn an_alias_of_somebody_else_is_not_taken() {
    let world = World::start().await;
    world.write("shop.yaml", &shop("one", ""));
    world.done(&format!("{DEPLOY} --yes")).await;
    world.done("version publish orders").await;
    world.done("alias set orders:live 1").await;
    world.write("shop.yaml", &shop("one", PUBLISHED));
    let told = world.refused(DEPLOY).await;
    assert!(
        told.contains(
            "Resources.Live.Properties.Name: there is an alias live already: it belongs to no stack"
        ),
        "{told}"
    );
    world
        .done("tag set orders stepfleet:alias:live=shop/Live")
        .await;
    assert_eq!(world.plan(DEPLOY).await, ["create Published"]);
}

#[tokio::test]
async fn a_condition_makes_and_deletes() {
    let world = World::start().await;
    let text = "Parameters: {Stage: {Type: String}}\nConditions: {Live: !Equals [!Ref Stage, live]}\nResources:\n  \
                A: {Type: AWS::StepFunctions::Activity, Condition: Live}\n  B: {Type: AWS::StepFunctions::Activity}\n";
    world.write("shop.yaml", text);
    let plan = world
        .plan(&format!("{DEPLOY} --parameter Stage=live"))
        .await;
    assert_eq!(plan, ["create A", "create B"]);
    world
        .done(&format!("{DEPLOY} --parameter Stage=live --yes"))
        .await;
    let plan = world.plan(&format!("{DEPLOY} --parameter Stage=dev")).await;
    assert!(
        plan.len() == 1 && plan[0].starts_with("delete A shop-A-"),
        "{plan:?}"
    );
}

#[tokio::test]
async fn mistakes_of_the_command_line_are_told() {
    let world = World::start().await;
    world.write(
        "shop.yaml",
        "Resources: {A: {Type: AWS::StepFunctions::Activity}}\n",
    );
    world.write("odd.yaml", "a: [\n");
    world.write("odd.json", "{]");
    world.write("folder/readme.md", "");
    let cases = [
        (
            "deploy DIR/shop.yaml",
            2,
            "give the stack a name: --stack NAME",
        ),
        (
            "deploy DIR/shop.yaml --stack 1",
            2,
            "'1' is no name of a stack",
        ),
        (
            "deploy DIR/none.yaml --stack s",
            1,
            "DIR/none.yaml: No such file",
        ),
        (
            "deploy DIR/odd.yaml --stack s",
            1,
            "DIR/odd.yaml is no template: ",
        ),
        (
            "deploy DIR/odd.json --stack s",
            1,
            "DIR/odd.json is no template: ",
        ),
        (
            "deploy DIR/folder --stack s",
            2,
            "DIR/folder has no manifest.json",
        ),
        (
            "deploy DIR/shop.yaml --stack s --parameter A=1",
            1,
            "Parameters.A: the template has no such parameter",
        ),
    ];
    for (command, code, expect) in cases {
        let ran = world.run(command).await;
        assert_eq!(ran.code, code, "{command}: {}", ran.remarks);
        assert!(ran.remarks.contains(expect), "{command}: {}", ran.remarks);
    }
}
