//! What SAM users write and what CDK synthesizes, as they come.

use serde_json::Value;

use crate::cli::deploy::testing::World;

const CDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/deploy/tests/cdk.out");
const SKIP: &str = "--skip-type AWS::Lambda::Function";

#[tokio::test]
async fn a_stack_of_cdk_is_deployed() {
    let world = World::start().await;
    let deploy = format!("deploy {CDK} --stack OrdersStack {SKIP}");
    let document = world.document(&format!("{deploy} --yes")).await;
    let outputs = &document["outputs"];
    let orders = "arn:aws:states:us-east-1:000000000000:stateMachine:orders";
    assert_eq!(outputs["OrdersArn"], orders);
    assert_eq!(outputs["Live"], format!("{orders}:live"));
    let skipped = document["skipped"].as_array().unwrap().iter();
    let paths: Vec<&str> = skipped
        .map(|skipped| skipped["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "Rules.CheckBootstrapVersion",
            "Outputs.OrdersArn.Export",
            "Resources.CDKMetadata",
            "Resources.Check3C1D5A77",
            "Resources.CheckServiceRole7B2E9D10",
            "Resources.Logs6819BB44",
            "Resources.OrdersRole5D3A1E20",
            "Resources.OrdersRoleDefaultPolicyE1D2C3B4",
        ]
    );

    // The definition of the other machine is an asset, and its activity a substitution.
    let machines = world.document("machine list").await;
    let mut names = machines["stateMachines"].as_array().unwrap().iter();
    let ship = names.find(|machine| machine["name"] != "orders").unwrap();
    let ship = world
        .document(&format!("machine show {}", ship["name"].as_str().unwrap()))
        .await;
    assert_eq!(
        ship["definition"]["States"]["Ship"]["Resource"],
        "arn:aws:states:us-east-1:000000000000:activity:approve"
    );
    let orders = world.document("machine show orders").await;
    let function = orders["definition"].pointer("/States/Check/Parameters/FunctionName");
    let function = function.and_then(Value::as_str).unwrap();
    assert!(
        function.starts_with(
            "arn:aws:lambda:us-east-1:000000000000:function:OrdersStack-Check3C1D5A77-"
        ),
        "{function}"
    );
    assert_eq!(world.plan(&deploy).await, Vec::<String>::new());
    // The stack's tags reach what has none of its own.
    let tags = world.done("tag list --activity approve").await;
    assert!(tags.contains("team                  orders"), "{tags}");
}

#[tokio::test]
async fn of_several_stacks_one_is_chosen() {
    let world = World::start().await;
    let told = world.refused(&format!("deploy {CDK} --plan")).await;
    assert!(
        told.contains(
            "has several stacks: choose with --stack one of OrdersStack, Prod-NotesStack"
        ),
        "{told}"
    );
    let told = world
        .refused(&format!("deploy {CDK} --stack Other --plan"))
        .await;
    assert!(
        told.contains("has no stack Other, but: OrdersStack, Prod-NotesStack"),
        "{told}"
    );
    for name in ["Prod-NotesStack", "Prod/NotesStack"] {
        let plan = world
            .document(&format!("deploy {CDK} --stack {name} --plan"))
            .await;
        assert_eq!(plan["stack"], "Prod-NotesStack");
    }
    let told = world
        .refused(&format!("deploy {CDK} --stack OrdersStack --plan"))
        .await;
    assert!(
        told.contains(
            "Resources.Check3C1D5A77.Type: AWS::Lambda::Function is not made here; --skip-type"
        ),
        "{told}"
    );
}

const SAM: &str = r#"
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Description: Trades stocks.

Globals:
  Function:
    Runtime: python3.13
    Timeout: 10

Parameters:
  Stage:
    Type: String
    Default: dev
    AllowedValues: [dev, prod]
  Limit: {Type: Number, Default: 3}
  Token: {Type: String, NoEcho: true, MinLength: 4}

Conditions:
  IsProd: !Equals [!Ref Stage, prod]

Resources:
  StockTrading:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: !Sub trading-${Stage}
      DefinitionUri: statemachine/trading.asl.yaml
      DefinitionSubstitutions:
        CheckArn: !GetAtt Check.Arn
        ApproveArn: !Ref Approve
        Attempts: !Ref Limit
      Policies:
        - LambdaInvokePolicy: {FunctionName: !Ref Check}
      AutoPublishAlias: live
      DeploymentPreference: {Type: ALL_AT_ONCE}
      Tracing: {Enabled: !If [IsProd, true, false]}
      Tags: {stage: !Ref Stage}
  Approve:
    Type: AWS::StepFunctions::Activity
    Properties:
      Name: !Join ["-", [approve, !Ref Stage]]
  Check:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/check/
      Handler: app.handler
      Policies: [DynamoDBCrudPolicy: {TableName: !Ref Nothing}]

Outputs:
  Trading: {Value: !Ref StockTradingAliaslive}
  Secret: {Value: !Sub "token ${Token}"}
"#;

const TRADING: &str = r#"
Comment: Trades.
StartAt: Check
States:
  Check:
    Type: Task
    Resource: arn:aws:states:::lambda:invoke
    Parameters:
      FunctionName: ${CheckArn}
    Retry:
      - ErrorEquals: [States.TaskFailed]
        MaxAttempts: 2
    Next: Approve
  Approve:
    Type: Task
    Resource: "${ApproveArn}"
    End: true
"#;

#[tokio::test]
async fn a_template_of_sam_publishes_every_revision_under_its_alias() {
    let world = World::start().await;
    world.write("template.yaml", SAM);
    world.write("statemachine/trading.asl.yaml", TRADING);
    let deploy = "deploy DIR/template.yaml --stack trade --skip-type AWS::Serverless::Function";
    let told = world
        .refused(&format!(
            "{deploy} --parameter Stage=test --parameter Token=abc"
        ))
        .await;
    assert!(
        told.contains("Parameters.Stage: 'test' is none of: dev, prod"),
        "{told}"
    );
    assert!(
        told.contains("Parameters.Token: its value is shorter than 4"),
        "{told}"
    );
    assert!(!told.contains("abc"), "{told}");

    let deploy = format!("{deploy} --parameter Token=hidden");
    let document = world.document(&format!("{deploy} --yes")).await;
    let alias = "arn:aws:states:us-east-1:000000000000:stateMachine:trading-dev:live";
    assert_eq!(document["outputs"]["Trading"], alias);
    assert_eq!(document["outputs"]["Secret"], "****");
    assert_eq!(world.plan(&deploy).await, Vec::<String>::new());

    world.write(
        "statemachine/trading.asl.yaml",
        &TRADING.replace("Trades.", "Trades stocks."),
    );
    assert_eq!(
        world.plan(&deploy).await,
        [
            "update StockTrading Definition",
            "replace StockTradingVersion StateMachineRevisionId",
            "update StockTradingAliaslive RoutingConfiguration",
            "retain StockTradingVersion 1",
        ]
    );
    world.done(&format!("{deploy} --yes")).await;
    let versions = world.done("version list trading-dev").await;
    assert_eq!(versions.lines().count(), 3, "{versions}");
    let shown = world.done("alias show trading-dev:live").await;
    assert!(shown.contains("2 (100 %)"), "{shown}");

    let prod = format!("{deploy} --parameter Stage=prod");
    assert_eq!(
        world.plan(&prod).await[..2],
        ["replace Approve Name", "replace StockTrading Name"]
    );
    world.done("deploy --delete --stack trade --yes").await;
    let machines = world.document("machine list").await;
    assert_eq!(machines["stateMachines"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn the_example_is_a_stack() {
    let world = World::start().await;
    let template = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/example/template.yaml"
    );
    let deploy = format!("deploy {template} --stack archive");
    let document = world.document(&format!("{deploy} --yes")).await;
    let live = "arn:aws:states:us-east-1:000000000000:stateMachine:archive-folder:live";
    assert_eq!(document["outputs"]["ArchiveFolder"], live);
    assert_eq!(document["resources"].as_array().unwrap().len(), 8);
    assert_eq!(world.plan(&deploy).await, Vec::<String>::new());
}
