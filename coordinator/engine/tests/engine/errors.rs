//! Every error name that the engine raises: where, and what catches it. Trap 5 of the list is here.

use stepfleet_engine::limits::Limits;

use crate::story::{Story, machine};

/// Names of a catcher, in the order of the columns below.
const NAMES: [&str; 3] = ["<own>", "States.ALL", "States.TaskFailed"];

/// How an error comes about.
struct Case {
    error: &'static str,
    /// Fields of the state that fails, which may be caught.
    state: &'static str,
    /// What happens to its first task, if it has one.
    happens: Happens,
    /// Whether a catcher by its own name, by `States.ALL` and by `States.TaskFailed` takes it.
    caught: [bool; 3],
}

#[derive(Clone, Copy)]
enum Happens {
    Nothing,
    TimePasses,
    Fails(&'static str),
    Succeeds(&'static str),
    HeartbeatMissed,
}

const TASK: &str = r#""Type":"Task","Resource":"work""#;
const LARGE: &str = r#""0123456789012345678901234567890123456789012345678901234567890123456789""#;

const fn case(
    error: &'static str,
    state: &'static str,
    happens: Happens,
    caught: [bool; 3],
) -> Case {
    Case {
        error,
        state,
        happens,
        caught,
    }
}

/// The input is `{"n":null,"list":[1]}`; a payload has 64 bytes at most.
#[expect(clippy::too_many_lines, reason = "a table of errors")]
fn cases() -> Vec<Case> {
    use Happens::{Fails, HeartbeatMissed, Nothing, Succeeds, TimePasses};
    const ALWAYS: [bool; 3] = [true, true, true];
    const NOT_AS_TASK_FAILED: [bool; 3] = [true, true, false];
    const NEVER: [bool; 3] = [false, false, false];
    vec![
        case("Mine", TASK, Fails("Mine"), ALWAYS),
        case(
            "States.TaskFailed",
            TASK,
            Fails("States.TaskFailed"),
            ALWAYS,
        ),
        case(
            "States.Permissions",
            TASK,
            Fails("States.Permissions"),
            ALWAYS,
        ),
        // A documented name; a template whose path finds nothing is recorded as States.Runtime (below).
        case(
            "States.ParameterPathFailure",
            TASK,
            Fails("States.ParameterPathFailure"),
            ALWAYS,
        ),
        case(
            "States.Timeout",
            r#""Type":"Task","Resource":"work","TimeoutSeconds":9"#,
            TimePasses,
            NOT_AS_TASK_FAILED,
        ),
        case(
            "States.Timeout",
            TASK,
            Fails("States.Timeout"),
            NOT_AS_TASK_FAILED,
        ),
        case(
            "States.HeartbeatTimeout",
            r#""Type":"Task","Resource":"work","HeartbeatSeconds":9"#,
            HeartbeatMissed,
            NOT_AS_TASK_FAILED,
        ),
        case(
            "States.HeartbeatTimeout",
            TASK,
            Fails("States.HeartbeatTimeout"),
            NOT_AS_TASK_FAILED,
        ),
        case("States.DataLimitExceeded", TASK, Succeeds(LARGE), ALWAYS),
        case(
            "States.ResultPathMatchFailure",
            r#""Type":"Task","Resource":"work","ResultPath":"$.list[7].x""#,
            Succeeds("1"),
            ALWAYS,
        ),
        case(
            "States.Runtime",
            r#""Type":"Task","Resource":"work","Parameters":{"a.$":"$.no"}"#,
            Nothing,
            NEVER,
        ),
        case(
            "States.IntrinsicFailure",
            r#""Type":"Task","Resource":"work","Parameters":{"a.$":"States.MathAdd('x', 1)"}"#,
            Nothing,
            ALWAYS,
        ),
        case(
            "States.QueryEvaluationError",
            r#""Type":"Task","QueryLanguage":"JSONata","Resource":"work","Arguments":"{% $no %}""#,
            Nothing,
            ALWAYS,
        ),
        case(
            "States.NoChoiceMatched",
            r#""Type":"Parallel","Branches":[{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[{"Variable":"$.n","IsString":true,"Next":"D"}]},"D":{"Type":"Succeed"}}}]"#,
            Nothing,
            ALWAYS,
        ),
        case(
            "States.BranchFailed",
            r#""Type":"Parallel","Branches":[{"StartAt":"F","States":{"F":{"Type":"Fail"}}}]"#,
            Nothing,
            ALWAYS,
        ),
        case(
            "States.TaskFailed",
            r#""Type":"Map","ItemsPath":"$.list","ItemProcessor":{"StartAt":"F","States":{"F":{"Type":"Fail"}}}"#,
            Nothing,
            ALWAYS,
        ),
        case(
            "Mine",
            r#""Type":"Map","ItemsPath":"$.list","ItemProcessor":{"StartAt":"F","States":{"F":{"Type":"Fail","Error":"Mine"}}}"#,
            Nothing,
            ALWAYS,
        ),
        case(
            "States.Runtime",
            r#""Type":"Task","Resource":"work","InputPath":"$.no""#,
            Nothing,
            NEVER,
        ),
        case(
            "States.Runtime",
            r#""Type":"Task","Resource":"work","InputPath":"$.n.no""#,
            Nothing,
            NEVER,
        ),
        case(
            "States.Runtime",
            r#""Type":"Task","Resource":"work","OutputPath":"$.no""#,
            Succeeds("{}"),
            NEVER,
        ),
        case(
            "States.Runtime",
            r#""Type":"Task","Resource":"work","TimeoutSecondsPath":"$.n""#,
            Nothing,
            NEVER,
        ),
        case("States.Runtime", TASK, Fails("States.Runtime"), NEVER),
        case(
            "States.Runtime",
            r#""Type":"Task","Resource":"arn:aws:states:us-east-1:111111111111:activity:missing""#,
            Nothing,
            NEVER,
        ),
        case(
            "States.Runtime",
            r#""Type":"Map","ItemsPath":"$.n","ItemProcessor":{"StartAt":"S","States":{"S":{"Type":"Succeed"}}}"#,
            Nothing,
            NEVER,
        ),
    ]
}

/// The execution of the state beside a Pass that catches, if there is a catcher or a retrier in `rest`.
fn play(case: &Case, rest: &str) -> Story {
    let states = format!(
        r#""A":{{{}{rest},"Next":"Z"}},"Z":{{"Type":"Succeed"}}"#,
        case.state
    );
    let limits = Limits {
        payload_bytes_max: 64,
        ..Limits::default()
    };
    let mut story = Story::within(&machine(&states), r#"{"n":null,"list":[1]}"#, limits);
    match case.happens {
        Happens::Nothing => {}
        Happens::TimePasses => story.pass_time(),
        Happens::Fails(error) => story.fail(error, None),
        Happens::Succeeds(output) => story.succeed(output),
        Happens::HeartbeatMissed => {
            story.take();
            story.pass_time();
        }
    }
    story
}

fn retrier(name: &str) -> String {
    format!(r#","Retry":[{{"ErrorEquals":["{name}"],"MaxAttempts":1}}]"#)
}

#[test]
fn trap_05_each_error_is_caught_and_retried_by_the_names_that_aws_says() {
    for case in cases() {
        for (name, expect) in NAMES.iter().zip(case.caught) {
            let name = name.replace("<own>", case.error);
            let what = format!("{} by {name}: {}", case.error, case.state);
            let result = if case.state.contains("JSONata") {
                r#","Output":0"#
            } else {
                r#","ResultPath":null"#
            };
            let caught = play(
                &case,
                &format!(r#","Catch":[{{"ErrorEquals":["{name}"],"Next":"Z"{result}}}]"#),
            );
            assert_eq!(
                caught.count("SucceedStateExited") == 1,
                expect,
                "caught: {what}: {}",
                caught.end()
            );
            let retried = play(&case, &retrier(&name));
            assert_eq!(
                retried.0.execution.is_running(),
                expect,
                "retried: {what}: {}",
                retried.end()
            );
        }
        let other = play(&case, &retrier("Other"));
        assert!(
            !other.0.execution.is_running(),
            "{}: {}",
            case.error,
            case.state
        );
    }
}

/// The name that the failure of the execution has. A missed heartbeat and a nameless failure differ from their catchers.
#[test]
fn an_uncaught_error_fails_the_execution_with_its_name() {
    for case in cases() {
        let shown = match case.happens {
            Happens::HeartbeatMissed => "States.Timeout",
            Happens::Nothing if case.state.contains(r#"{"Type":"Fail"}"#) => "-",
            Happens::Nothing | Happens::TimePasses | Happens::Fails(_) | Happens::Succeeds(_) => {
                case.error
            }
        };
        let end = play(&case, "").end();
        assert!(
            end.starts_with(&format!("Failed {shown} ")),
            "{}: {end}",
            case.state
        );
    }
}

#[test]
fn a_choice_itself_catches_nothing() {
    let states = r#""A":{"Type":"Choice","Choices":[{"Variable":"$","IsString":true,"Next":"Z"}]},"Z":{"Type":"Succeed"}"#;
    let story = Story::of(states, "1");
    assert!(
        story.end().starts_with("Failed States.NoChoiceMatched "),
        "{}",
        story.end()
    );
}
