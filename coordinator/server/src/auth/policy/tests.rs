//! What documents say, and which are refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:orders";

fn action(text: &'static str) -> Action {
    let (service, name) = text.split_once(':').unwrap();
    Action { service, name }
}

fn resource(arn: &str, qualifier: Option<&str>) -> Resource {
    Resource {
        arn: arn.to_owned(),
        qualifier: qualifier.map(str::to_owned),
    }
}

fn policy(statements: &Value) -> Policy {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    Policy::read(&document.to_string()).unwrap()
}

fn allow(actions: Value, resources: Value) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resources})
}

fn says(statements: &Value, what: &'static str, on: &Resource) -> Decision {
    decide([&policy(statements)], action(what), on)
}

#[test]
fn actions_and_resources_follow_their_patterns() {
    let orders = resource(MACHINE, None);
    for (actions, resources, allowed) in [
        (json!("states:StartExecution"), json!(MACHINE), true),
        (json!("STATES:startexecution"), json!("*"), true),
        (
            json!("states:Start*"),
            json!("arn:aws:states:*:*:stateMachine:*"),
            true,
        ),
        (
            json!("states:Start?xecution"),
            json!("arn:*:states:*:*:stateMachine:ord???"),
            true,
        ),
        (json!("*"), json!("*"), true),
        (
            json!(["states:Stop*", "states:*"]),
            json!(["arn:aws:states:x:1:activity:a", MACHINE]),
            true,
        ),
        (
            json!("states:StartExecution"),
            json!("arn:aws:states:us-east-1:000000000000:stateMachine:order"),
            false,
        ),
        (
            json!("states:StartExecution"),
            json!("arn:aws:states:us-east-1:111111111111:stateMachine:*"),
            false,
        ),
        (
            json!("states:StartExecution"),
            json!("arn:aws:states:us-east-1:000000000000:activity:*"),
            false,
        ),
        // A field's pattern does not reach into the next one.
        (
            json!("states:StartExecution"),
            json!("arn:aws:states:*:stateMachine:orders:x"),
            false,
        ),
        (json!("states:StartExecutions"), json!("*"), false),
        (json!("stepfleet:*"), json!("*"), false),
        (json!("lambda:*"), json!("*"), false),
    ] {
        let statement = allow(actions, resources);
        let expect = if allowed {
            Decision::Allowed
        } else {
            Decision::NotAllowed
        };
        assert_eq!(
            says(&statement, "states:StartExecution", &orders),
            expect,
            "{statement}"
        );
    }
}

#[test]
fn a_denial_wins_whatever_else_allows() {
    let deny = json!({"Effect": "Deny", "Action": "states:Stop*", "Resource": MACHINE});
    let orders = resource(MACHINE, None);
    let other = resource(
        "arn:aws:states:us-east-1:000000000000:stateMachine:other",
        None,
    );
    for statements in [
        json!([allow(json!("*"), json!("*")), deny]),
        json!([deny, allow(json!("*"), json!("*"))]),
    ] {
        assert_eq!(
            says(&statements, "states:StopExecution", &orders),
            Decision::Denied
        );
        assert_eq!(
            says(&statements, "states:StopExecution", &other),
            Decision::Allowed
        );
    }
    let (all, denial) = (policy(&allow(json!("*"), json!("*"))), policy(&deny));
    let stop = action("states:StopExecution");
    assert_eq!(decide([&all, &denial], stop, &orders), Decision::Denied);
    assert_eq!(decide([], stop, &orders), Decision::NotAllowed);
}

#[test]
fn what_is_excepted_is_not_meant() {
    let statement =
        json!({"Effect": "Allow", "NotAction": "states:Delete*", "NotResource": MACHINE});
    let other = resource(
        "arn:aws:states:us-east-1:000000000000:stateMachine:other",
        None,
    );
    assert_eq!(
        says(&statement, "states:StartExecution", &other),
        Decision::Allowed
    );
    assert_eq!(
        says(&statement, "states:DeleteStateMachine", &other),
        Decision::NotAllowed
    );
    assert_eq!(
        says(
            &statement,
            "states:StartExecution",
            &resource(MACHINE, None)
        ),
        Decision::NotAllowed
    );
}

#[test]
fn versions_and_aliases_are_their_state_machine_and_may_be_told_apart() {
    let live = resource(MACHINE, Some("live"));
    let start = "states:StartExecution";
    let whole = allow(json!(start), json!(MACHINE));
    assert_eq!(says(&whole, start, &live), Decision::Allowed);
    let one = allow(json!(start), json!(format!("{MACHINE}:live")));
    assert_eq!(says(&one, start, &live), Decision::Allowed);
    assert_eq!(
        says(&one, start, &resource(MACHINE, None)),
        Decision::NotAllowed
    );
    for (condition, allowed) in [
        (
            json!({"StringEquals": {"states:StateMachineQualifier": "live"}}),
            true,
        ),
        (
            json!({"ForAnyValue:StringEquals": {"states:StateMachineQualifier": ["test", "live"]}}),
            true,
        ),
        (
            json!({"StringLike": {"states:statemachinequalifier": "l*"}}),
            true,
        ),
        (
            json!({"StringEquals": {"states:StateMachineQualifier": "l*"}}),
            false,
        ),
        (json!({}), true),
    ] {
        let mut statement = whole.clone();
        statement["Condition"] = condition;
        let expect = if allowed {
            Decision::Allowed
        } else {
            Decision::NotAllowed
        };
        assert_eq!(says(&statement, start, &live), expect, "{statement}");
        if statement["Condition"] != json!({}) {
            let unqualified = says(&statement, start, &resource(MACHINE, None));
            assert_eq!(unqualified, Decision::NotAllowed, "{statement}");
        }
    }
}

#[test]
fn what_cannot_be_followed_is_refused_by_name() {
    for (members, part) in [
        (
            json!({"Principal": "*"}),
            "`Principal` is for policies of resources",
        ),
        (json!({"NotPrincipal": "*"}), "`NotPrincipal`"),
        (
            json!({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}),
            "`IpAddress` is not served",
        ),
        (
            json!({"Condition": {"StringEquals": {"aws:PrincipalTag/a": "b"}}}),
            "`aws:PrincipalTag/a` is not served",
        ),
        (json!({"Effect": "Permit"}), "`Effect`"),
        (json!({"NotAction": "states:*"}), "exclude each other"),
        (json!({"Action": []}), "`Action` must be a text"),
        (
            json!({"Action": "StartExecution"}),
            "`StartExecution` is not `service:Name`",
        ),
        (
            json!({"Resource": "stateMachine:orders"}),
            "neither `*` nor an ARN",
        ),
        (json!({"Resource": "arn:aws:states:*"}), "six fields"),
        (
            json!({"Resource": "arn:aws:states:*:*:activity:${aws:username}"}),
            "policy variables",
        ),
        (json!({"Comment": "x"}), "`Comment` is not known"),
    ] {
        let mut statement = allow(json!("states:*"), json!("*"));
        for (name, value) in members.as_object().unwrap() {
            statement[name] = value.clone();
        }
        let document = json!({"Statement": [statement]});
        let error = Policy::read(&document.to_string()).unwrap_err();
        assert!(error.contains(part), "{part}: {error}");
    }
    for text in [
        "",
        "[]",
        "{}",
        r#"{"Statement": []}"#,
        r#"{"Version": "2020", "Statement": {}}"#,
        r#"{"Statements": []}"#,
    ] {
        assert!(Policy::read(text).is_err(), "{text}");
    }
}

#[test]
fn the_ready_made_ones_say_what_their_names_say() {
    let activity = resource("arn:aws:states:us-east-1:000000000000:activity:a", None);
    let machine = resource(MACHINE, None);
    for (name, what, on, expect) in [
        ("administrator", "stepfleet:IssueCredential", &machine, true),
        ("operator", "stepfleet:IssueCredential", &machine, false),
        ("operator", "states:StopExecution", &machine, true),
        ("operator", "states:CreateStateMachine", &machine, false),
        ("operator", "stepfleet:DrainWorkers", &machine, true),
        ("developer", "states:CreateStateMachine", &machine, true),
        ("developer", "stepfleet:PutPolicy", &machine, false),
        ("developer", "stepfleet:Backup", &machine, false),
        ("read-only", "states:DescribeExecution", &machine, true),
        ("read-only", "states:RedriveExecution", &machine, false),
        // It hands out tokens.
        ("read-only", "stepfleet:ListCallbacks", &machine, false),
        ("read-only", "stepfleet:RevokeCallbackUrl", &machine, false),
        ("operator", "stepfleet:RevokeCallbackUrl", &machine, true),
        ("developer", "stepfleet:RevokeCallbackUrl", &machine, true),
        ("read-only", "states:GetActivityTask", &activity, false),
        ("worker", "states:GetActivityTask", &activity, true),
        ("worker", "states:SendTaskSuccess", &activity, true),
        ("worker", "states:SendTaskHeartbeat", &activity, true),
        // A callback's state machine.
        ("worker", "states:SendTaskSuccess", &machine, false),
        ("worker", "states:StartExecution", &machine, false),
        ("caller", "states:StartExecution", &machine, true),
        ("caller", "states:StopExecution", &machine, false),
    ] {
        let (_, text) = READY_MADE.iter().find(|(known, _)| *known == name).unwrap();
        let policy = Policy::read(text).unwrap();
        let expect = if expect {
            Decision::Allowed
        } else {
            Decision::NotAllowed
        };
        assert_eq!(decide([&policy], action(what), on), expect, "{name} {what}");
    }
}

#[test]
fn patterns_of_actions_that_do_not_exist_are_found() {
    let written = policy(&allow(
        json!(["states:Start*", "states:StartExecutions", "lambda:Nothing"]),
        json!("*"),
    ));
    let known = [action("states:StartExecution")];
    assert_eq!(written.unknown_actions(&known), ["states:StartExecutions"]);
}

/// The same by regular expression.
fn by_regex(pattern: &str, text: &str) -> bool {
    let parts: Vec<String> = pattern
        .chars()
        .map(|c| match c {
            '*' => "(?s:.*)".to_owned(),
            '?' => "(?s:.)".to_owned(),
            c => regex::escape(&c.to_string()),
        })
        .collect();
    regex::Regex::new(&format!("^{}$", parts.concat()))
        .unwrap()
        .is_match(text)
}

proptest! {
    #[test]
    fn a_pattern_is_what_a_regular_expression_says(pattern in "[ab*?]{0,8}", text in "[abc]{0,10}") {
        prop_assert_eq!(matches(&pattern, &text), by_regex(&pattern, &text));
    }
}
