//! Which `Resource` texts are recognised, as what.

use super::*;

fn describe(arn: &str) -> String {
    match Resource::parse(arn) {
        Ok(Resource::Activity { .. }) => "activity".to_owned(),
        Ok(Resource::Lambda { .. }) => "lambda".to_owned(),
        Ok(Resource::Integration(integration)) => {
            format!(
                "{} {} {:?}",
                integration.service, integration.action, integration.pattern
            )
        }
        Err(_) => "-".to_owned(),
    }
}

#[track_caller]
fn check(arn: &str, expect: &str) {
    assert_eq!(describe(arn), expect, "{arn}");
    if let Ok(resource) = Resource::parse(arn) {
        assert_eq!(&**resource.arn(), arn);
    }
}

#[test]
fn activities_are_recognised_by_their_arn() {
    check(
        "arn:aws:states:us-east-1:000000000000:activity:build",
        "activity",
    );
    check("arn:aws-cn:states:cn-north-1:1:activity:b", "activity");
    check(
        "arn:aws:states:eu-west-1:team-a:activity:größe_1.2-x@y",
        "activity",
    );
    check(
        &format!("arn:aws:states:r:1:activity:{}", "a".repeat(80)),
        "activity",
    );
    check(
        &format!("arn:aws:states:r:1:activity:{}", "a".repeat(81)),
        "-",
    );
    for name in [
        "",
        "a b",
        "a:b",
        "a/b",
        "a*",
        "a?",
        "a<",
        "a{",
        "a\"",
        "a$",
        "a\u{7}",
        "a\u{ffff}",
    ] {
        check(&format!("arn:aws:states:us-east-1:1:activity:{name}"), "-");
    }
    check("arn:aws:states:::activity:build", "-");
    check("arn:aws:states:us-east-1::activity:build", "-");
    check("arn:aws:states:us-east-1:1:stateMachine:m", "-");
}

#[test]
fn lambda_functions_are_recognised_by_their_arn() {
    check("arn:aws:lambda:us-east-1:000000000000:function:f", "lambda");
    check(
        "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST",
        "lambda",
    );
    check(
        "arn:aws:lambda:us-east-1:000000000000:function:f-1_x:prod",
        "lambda",
    );
    check("arn:aws:lambda:us-east-1:000000000000:function:", "-");
    check("arn:aws:lambda:us-east-1:000000000000:function:f:", "-");
    check("arn:aws:lambda:us-east-1:000000000000:function:f:1:2", "-");
    check("arn:aws:lambda:us-east-1:000000000000:layer:f", "-");
    check("arn:aws:lambda:::function:f", "-");
}

#[test]
fn integrations_are_recognised_with_their_pattern() {
    let cases = [
        ("lambda:invoke", "lambda invoke RequestResponse"),
        (
            "lambda:invoke.waitForTaskToken",
            "lambda invoke.waitForTaskToken Callback",
        ),
        ("lambda:invoke.sync", "-"),
        ("sqs:sendMessage", "sqs sendMessage RequestResponse"),
        (
            "sqs:sendMessage.waitForTaskToken",
            "sqs sendMessage.waitForTaskToken Callback",
        ),
        ("sns:publish", "sns publish RequestResponse"),
        (
            "events:putEvents.waitForTaskToken",
            "events putEvents.waitForTaskToken Callback",
        ),
        ("apigateway:invoke", "apigateway invoke RequestResponse"),
        ("dynamodb:putItem", "dynamodb putItem RequestResponse"),
        ("dynamodb:query", "-"),
        ("dynamodb:putItem.sync", "-"),
        ("batch:submitJob.sync", "batch submitJob.sync RunJob"),
        ("batch:submitJob.waitForTaskToken", "-"),
        ("ecs:runTask", "ecs runTask RequestResponse"),
        ("ecs:runTask.sync", "ecs runTask.sync RunJob"),
        (
            "ecs:runTask.waitForTaskToken",
            "ecs runTask.waitForTaskToken Callback",
        ),
        (
            "codebuild:startBuild.sync",
            "codebuild startBuild.sync RunJob",
        ),
        ("codebuild:stopBuild.sync", "-"),
        ("glue:startJobRun.sync", "glue startJobRun.sync RunJob"),
        (
            "emr-serverless:startJobRun.sync",
            "emr-serverless startJobRun.sync RunJob",
        ),
    ];
    for (rest, expect) in cases {
        check(&format!("arn:aws:states:::{rest}"), expect);
    }
}

#[test]
fn integrations_that_stepfleet_serves_itself_are_recognised() {
    let cases = [
        ("http:invoke", "http invoke RequestResponse"),
        ("http:invoke.sync", "-"),
        (
            "states:startExecution",
            "states startExecution RequestResponse",
        ),
        (
            "states:startExecution.sync",
            "states startExecution.sync RunJob",
        ),
        (
            "states:startExecution.sync:2",
            "states startExecution.sync:2 RunJob",
        ),
        ("states:startExecution.sync:3", "-"),
        (
            "states:startExecution.waitForTaskToken",
            "states startExecution.waitForTaskToken Callback",
        ),
        (
            "stepfleet:callback.waitForTaskToken",
            "stepfleet callback.waitForTaskToken Callback",
        ),
        ("stepfleet:callback", "-"),
        ("stepfleet:other", "-"),
        ("s3:getObject", "-"),
        ("lambda", "-"),
        ("lambda:", "-"),
        (":invoke", "-"),
        ("lambda:Invoke", "-"),
        ("lambda:invoke.", "-"),
        ("", "-"),
    ];
    for (rest, expect) in cases {
        check(&format!("arn:aws:states:::{rest}"), expect);
    }
}

#[test]
fn sdk_integrations_are_recognised_by_form() {
    let cases = [
        ("s3:getObject", "aws-sdk:s3 getObject RequestResponse"),
        (
            "sfn:getActivityTask",
            "aws-sdk:sfn getActivityTask RequestResponse",
        ),
        (
            "ec2:runInstances.waitForTaskToken",
            "aws-sdk:ec2 runInstances.waitForTaskToken Callback",
        ),
        (
            "sfn:startExecution.waitForTaskToken",
            "aws-sdk:sfn startExecution.waitForTaskToken Callback",
        ),
        ("sfn:startExecution.sync", "-"),
        ("sfn:startExecutions", "-"),
        ("ec2:runInstances.sync", "-"),
        ("S3:getObject", "-"),
        ("s3:GetObject", "-"),
        ("s3", "-"),
        ("s3:", "-"),
        (":getObject", "-"),
        ("s3:get:Object", "-"),
    ];
    for (rest, expect) in cases {
        check(&format!("arn:aws:states:::aws-sdk:{rest}"), expect);
    }
}

#[test]
fn what_is_no_arn_is_refused_with_its_text() {
    for text in [
        "",
        "arn",
        "hello",
        "arn:aws:states",
        "arn::states:::lambda:invoke",
        "urn:aws:states:::lambda:invoke",
    ] {
        check(text, "-");
    }
    assert_eq!(
        Resource::parse("x").unwrap_err().to_string(),
        "The resource provided x is not recognized. The value is not a valid resource ARN, or the resource is not \
         available in this region."
    );
}
