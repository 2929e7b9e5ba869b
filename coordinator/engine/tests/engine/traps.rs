//! Where coordinators of this language are known to differ from AWS, by number: what the engine alone can prove. The
//! others are in the crates whose matter they are; the tree's own tests hold the list of all.

use serde_json::json;
use stepfleet_engine::{Input, heartbeat};

use crate::story::Story;
use crate::world::START;

const TASK: &str = r#"{"Type":"Task","Resource":"work","End":true}"#;
const INNER: &str = r#"{"StartAt":"I","States":{"I":{"Type":"Pass","End":true}}}"#;

fn block(name: &str, state: &str) -> String {
    format!(r#"{{"StartAt":"{name}","States":{{"{name}":{state}}}}}"#)
}

#[test]
fn trap_01_the_first_state_follows_nothing_and_the_chain_skips_iteration_ends() {
    let state =
        format!(r#""A":{{"Type":"Map","End":true,"MaxConcurrency":1,"ItemProcessor":{INNER}}}"#);
    assert_eq!(
        Story::of(&state, "[1,2]").chain(),
        [
            "1<0 ExecutionStarted",
            "2<0 MapStateEntered",
            "3<2 MapStateStarted",
            "4<3 MapIterationStarted",
            "5<4 PassStateEntered",
            "6<5 PassStateExited",
            "7<6 MapIterationSucceeded",
            "8<6 MapIterationStarted",
            "9<8 PassStateEntered",
            "10<9 PassStateExited",
            "11<10 MapIterationSucceeded",
            "12<11 MapStateSucceeded",
            "13<11 MapStateExited",
            "14<13 ExecutionSucceeded",
        ]
    );
}

/// That a description leaves error and cause out is tested with the clients.
#[test]
fn trap_02_a_task_out_of_time_fails_the_execution_and_a_machine_out_of_time_times_it_out() {
    let task = r#"{"Type":"Task","Resource":"work","TimeoutSeconds":5,"End":true}"#;
    let mut story = Story::of(&format!(r#""A":{task}"#), "{}");
    story.pass_time();
    assert_eq!(story.end(), "Failed States.Timeout -");
    let machine = crate::story::machine(&format!(r#""A":{TASK}"#));
    let mut story = Story::new(&machine.replacen('{', r#"{"TimeoutSeconds":5,"#, 1), "{}");
    story.pass_time();
    assert!(story.end().starts_with("TimedOut"), "{}", story.end());
    assert_eq!(story.count("ExecutionTimedOut"), 1);
    assert_eq!(story.count("ActivityTimedOut"), 0);
}

#[test]
fn trap_03_the_machine_timeout_cuts_whatever_is_open() {
    let branches = format!(
        r#"[{},{}]"#,
        block("B", TASK),
        block("C", r#"{"Type":"Wait","Seconds":900,"End":true}"#)
    );
    for state in [
        TASK.to_owned(),
        r#"{"Type":"Task","Resource":"work","End":true,"TimeoutSeconds":900,"Catch":[{"ErrorEquals":["States.ALL"],"Next":"A"}]}"#.to_owned(),
        r#"{"Type":"Task","Resource":"arn:aws:states:::sqs:sendMessage.waitForTaskToken","Parameters":{"QueueUrl":"q","MessageBody":"m"},"End":true}"#.to_owned(),
        r#"{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2","Parameters":{"StateMachineArn":"c"},"End":true}"#.to_owned(),
        r#"{"Type":"Wait","Seconds":900,"End":true}"#.to_owned(),
        format!(r#"{{"Type":"Parallel","End":true,"Branches":{branches},"Catch":[{{"ErrorEquals":["States.ALL"],"Next":"A"}}]}}"#),
        format!(r#"{{"Type":"Map","End":true,"ItemProcessor":{}}}"#, block("B", TASK)),
    ] {
        let machine = crate::story::machine(&format!(r#""A":{state}"#));
        let machine = machine.replacen('{', r#"{"TimeoutSeconds":5,"#, 1);
        let mut story = Story::new(&machine, "[1]");
        story.pass_time();
        assert_eq!(story.0.now, START.plus_ms(5_000), "{state}");
        assert_eq!(story.count("ExecutionTimedOut"), 1, "{state}");
        assert!(story.is_over(), "{state}");
    }
}

#[test]
fn trap_04_an_activity_that_nobody_polls_times_out() {
    let mut story = Story::of(
        r#""A":{"Type":"Task","Resource":"work","TimeoutSeconds":5,"HeartbeatSeconds":2,"End":true}"#,
        "{}",
    );
    story.pass_time();
    assert_eq!(story.0.now, START.plus_ms(5_000));
    assert_eq!(
        story.chain()[3..],
        ["4<3 ActivityTimedOut", "5<4 ExecutionFailed"]
    );
}

#[test]
fn trap_06_a_caught_error_skips_the_fields_that_shape_a_result() {
    let shape = r#""ResultSelector":{"s":1},"ResultPath":"$.r","OutputPath":"$.no""#;
    for (place, expect) in [
        ("", r#"{"Error":"E","Cause":"c"}"#),
        (r#""ResultPath":null,"#, r#"{"in":1}"#),
        (
            r#""ResultPath":"$.e","#,
            r#"{"in":1,"e":{"Error":"E","Cause":"c"}}"#,
        ),
    ] {
        let mut story = Story::of(
            &format!(
                r#""A":{{"Type":"Task","Resource":"work",{shape},"Catch":[{{"ErrorEquals":["E"],{place}"Next":"B"}}],"End":true}},"B":{{"Type":"Pass","End":true}}"#
            ),
            r#"{"in":1}"#,
        );
        story.fail("E", Some("c"));
        assert_eq!(story.end(), expect);
        assert_eq!(story.details("TaskStateExited")["output"], expect);
    }
}

#[test]
fn trap_08_error_and_cause_of_a_fail_mix_texts_paths_and_calls() {
    for (fields, expect) in [
        (r#""ErrorPath":"$.e","CausePath":"$.c""#, "Failed E C"),
        (r#""Error":"Literal","CausePath":"$.c""#, "Failed Literal C"),
        (r#""ErrorPath":"$.e","Cause":"literal""#, "Failed E literal"),
        (
            r#""ErrorPath":"States.Format('{}!', $.e)","CausePath":"States.JsonToString($)""#,
            r#"Failed E! {"e":"E","c":"C"}"#,
        ),
        (
            r#""Error":"Literal","CausePath":"States.Format('{}', $$.State.Name)""#,
            "Failed Literal A",
        ),
        (r#""CausePath":"$.c""#, "Failed - C"),
    ] {
        let story = Story::of(
            &format!(r#""A":{{"Type":"Fail",{fields}}}"#),
            r#"{"e":"E","c":"C"}"#,
        );
        assert_eq!(story.end(), expect, "{fields}");
    }
}

#[test]
fn trap_10_a_result_goes_below_a_child_that_is_not_there_yet() {
    let states = r#""A":{"Type":"Pass","Parameters":{"d.$":"States.StringToJson($.text)"},"OutputPath":"$.d","Next":"B"},
        "B":{"Type":"Pass","Result":7,"ResultPath":"$.new.child","End":true}"#;
    let story = Story::of(states, r#"{"text":"{\"old\":1}"}"#);
    assert_eq!(story.end(), r#"{"old":1,"new":{"child":7}}"#);
}

#[test]
fn trap_11_retriers_count_for_themselves_and_an_exhausted_one_ends_the_search() {
    let retry = r#""Retry":[{"ErrorEquals":["E1"],"MaxAttempts":1},{"ErrorEquals":["E2"],"MaxAttempts":2},{"ErrorEquals":["States.ALL"],"MaxAttempts":9}]"#;
    let caught = r#""Catch":[{"ErrorEquals":["States.ALL"],"Next":"B"}],"Next":"B""#;
    let states = format!(
        r#""A":{{"Type":"Task","Resource":"work",{retry},{caught}}},"B":{{"Type":"Pass","End":true}}"#
    );
    let mut story = Story::of(&states, "{}");
    for error in ["E1", "E2", "E2"] {
        story.fail(error, None);
        story.pass_time();
    }
    assert_eq!(story.count("ActivityScheduled"), 4);
    // The wildcard would allow nine more, but the first that matches decides.
    story.fail("E1", None);
    assert_eq!(story.end(), r#"{"Error":"E1"}"#);
}

#[test]
fn trap_11_an_error_inside_a_branch_reaches_retry_and_catch_around_it() {
    let retry = r#""Retry":[{"ErrorEquals":["E"],"MaxAttempts":1}],"Catch":[{"ErrorEquals":["E"],"Next":"B"}]"#;
    for states in [
        format!(
            r#""A":{{"Type":"Parallel","Branches":[{}],{retry},"Next":"B"}},"B":{{"Type":"Pass","End":true}}"#,
            block("X", TASK)
        ),
        format!(
            r#""A":{{"Type":"Map","ItemProcessor":{},{retry},"Next":"B"}},"B":{{"Type":"Pass","End":true}}"#,
            block("X", TASK)
        ),
    ] {
        let mut story = Story::of(&states, "[1]");
        story.fail("E", Some("first"));
        story.pass_time();
        story.fail("E", Some("second"));
        assert_eq!(story.end(), r#"{"Error":"E","Cause":"second"}"#);
    }
}

/// Names of Lambda functions' errors wait for Lambda; those of every other task are here.
#[test]
fn trap_12_an_error_keeps_its_name_and_its_cause_as_sent() {
    let cause = "{\"errorMessage\": \"no\",\n \"errorType\":\"ValueError\"}";
    for resource in ["work", "arn:aws:states:::states:startExecution.sync:2"] {
        let mut story = Story::of(
            &format!(r#""A":{{"Type":"Task","Resource":"{resource}","End":true}}"#),
            "{}",
        );
        story.fail("ValueError", Some(cause));
        assert_eq!(story.end(), format!("Failed ValueError {cause}"));
    }
}

#[test]
fn trap_13_an_uncaught_failure_exits_no_state() {
    let mut story = Story::of(&format!(r#""A":{TASK}"#), "{}");
    story.fail("E", None);
    assert_eq!(
        story.chain()[2..],
        [
            "3<2 ActivityScheduled",
            "4<3 ActivityStarted",
            "5<4 ActivityFailed",
            "6<5 ExecutionFailed"
        ]
    );
    let story = Story::of(r#""A":{"Type":"Pass","InputPath":"$.no","End":true}"#, "{}");
    assert_eq!(story.count("PassStateExited"), 0);
}

#[test]
fn trap_14_the_failing_task_is_aborted_too_inside_parallel_and_map() {
    let waits = block("W", r#"{"Type":"Wait","Seconds":900,"End":true}"#);
    let mut story = Story::of(
        &format!(
            r#""A":{{"Type":"Parallel","End":true,"Branches":[{},{waits}]}}"#,
            block("B", TASK)
        ),
        "{}",
    );
    story.fail("E", None);
    let tail = [
        "9<8 TaskStateAborted",
        "10<8 WaitStateAborted",
        "11<8 ParallelStateFailed",
        "12<11 ExecutionFailed",
    ];
    let mut chain = story.chain().split_off(8);
    chain[..2].sort_by_key(|line| line.contains("Wait"));
    assert_eq!(chain, tail);
    let mut story = Story::of(
        &format!(
            r#""A":{{"Type":"Map","End":true,"ItemProcessor":{}}}"#,
            block("B", TASK)
        ),
        "[1]",
    );
    story.fail("E", None);
    assert_eq!(story.count("TaskStateAborted"), 1);
    assert_eq!(story.count("TaskStateExited"), 0);
}

#[test]
fn trap_15_an_undefined_result_fails_and_is_caught_by_name() {
    let states = r#""A":{"Type":"Pass","Output":"{% $states.input.no %}","End":true}"#;
    let machine = crate::story::machine(states).replacen('{', r#"{"QueryLanguage":"JSONata","#, 1);
    let story = Story::new(&machine, "{}");
    assert_eq!(story.count("EvaluationFailed"), 1);
    assert!(
        story
            .end()
            .starts_with("Failed States.QueryEvaluationError"),
        "{}",
        story.end()
    );
}

#[test]
fn trap_17_assign_and_output_see_the_values_from_before_the_state() {
    let states = r#""A":{"Type":"Pass","Assign":{"x":1,"y":2},"Next":"B"},
        "B":{"Type":"Pass","Assign":{"x":"{% $y %}","y":"{% $x %}"},"Output":"{% [$x, $y] %}","Next":"C"},
        "C":{"Type":"Pass","Output":"{% [$states.input, $x, $y] %}","End":true}"#;
    let machine = crate::story::machine(states).replacen('{', r#"{"QueryLanguage":"JSONata","#, 1);
    assert_eq!(Story::new(&machine, "{}").end(), "[1,2,2,1]");
    let states = r#""A":{"Type":"Pass","Assign":{"x":1,"y":2},"Next":"B"},
        "B":{"Type":"Pass","Assign":{"x.$":"$y","y.$":"$x"},"Parameters":{"x.$":"$x"},"Next":"C"},
        "C":{"Type":"Pass","Parameters":{"in.$":"$.x","x.$":"$x","y.$":"$y"},"End":true}"#;
    assert_eq!(Story::of(states, "{}").end(), r#"{"in":1,"x":2,"y":1}"#);
}

#[test]
fn trap_18_a_wait_of_too_many_days_or_of_half_seconds_fails() {
    let days = 86_400_i64;
    for (input, cause) in [
        (
            format!("{}", 24_856 * days),
            "Wait state delay is too long.",
        ),
        (
            "1.5".to_owned(),
            "The SecondsPath parameter cannot be parsed as a long value: $ == 1.5",
        ),
    ] {
        let story = Story::of(
            r#""A":{"Type":"Wait","SecondsPath":"$","End":true}"#,
            &input,
        );
        assert!(
            story.end().starts_with("Failed States.Runtime") && story.end().ends_with(cause),
            "{}",
            story.end()
        );
    }
    let seconds = (24_855 * days).to_string();
    let story = Story::of(
        r#""A":{"Type":"Wait","SecondsPath":"$","End":true}"#,
        &seconds,
    );
    assert!(story.0.execution.is_running());
    let story = Story::of(
        r#""A":{"Type":"Wait","TimestampPath":"$","End":true}"#,
        r#""2026-03-01t00:00:00Z""#,
    );
    assert!(
        story.end().starts_with("Failed States.Runtime"),
        "{}",
        story.end()
    );
}

#[test]
fn trap_19_forty_iterations_are_open_and_a_failed_one_aborts_the_others_at_once() {
    let items = format!("[{}]", vec!["0"; 60].join(","));
    let mut story = Story::of(
        &format!(
            r#""A":{{"Type":"Map","End":true,"ItemProcessor":{}}}"#,
            block("B", TASK)
        ),
        &items,
    );
    assert_eq!(story.count("MapIterationStarted"), 40);
    story.fail("E", None);
    assert_eq!(story.count("MapIterationStarted"), 40);
    assert_eq!(story.count("MapIterationAborted"), 39);
    assert_eq!(story.end(), "Failed E -");
    assert!(story.is_over());
}

#[test]
fn trap_22_a_missed_heartbeat_is_told_as_a_timeout_and_caught_by_either_name() {
    for name in ["States.Timeout", "States.HeartbeatTimeout"] {
        let states = format!(
            r#""A":{{"Type":"Task","Resource":"work","HeartbeatSeconds":2,"Catch":[{{"ErrorEquals":["{name}"],"Next":"B"}}],"Next":"B"}},"B":{{"Type":"Pass","End":true}}"#
        );
        let mut story = Story::of(&states, "{}");
        let attempt = story.take();
        let now = story.0.now;
        heartbeat(&mut story.0.execution, attempt, None, now).unwrap();
        story.pass_time();
        assert_eq!(
            story.details("ActivityTimedOut"),
            json!({"error": "States.Timeout"})
        );
        assert_eq!(story.end(), r#"{"Error":"States.Timeout"}"#, "{name}");
    }
}

#[test]
fn trap_23_a_failure_without_error_and_cause_leaves_both_out() {
    let mut story = Story::of(&format!(r#""A":{TASK}"#), "{}");
    story.fail("", None);
    assert_eq!(story.details("ActivityFailed"), json!({}));
    assert_eq!(story.details("ExecutionFailed"), json!({}));
    let mut story = Story::of(
        r#""A":{"Type":"Task","Resource":"work","Catch":[{"ErrorEquals":["States.ALL"],"Next":"B"}],"Next":"B"},"B":{"Type":"Pass","End":true}"#,
        "{}",
    );
    story.fail("", None);
    assert_eq!(story.end(), "{}");
}

#[test]
fn trap_28_numbers_keep_their_digits_and_objects_their_order() {
    let input = r#"{"z":1,"a":1.0,"big":123456789012345678901234567890,"m":{"y":1e3,"b":-0.10}}"#;
    let states = r#""A":{"Type":"Pass","ResultPath":"$.r","Result":2.0,"Next":"B"},"B":{"Type":"Pass","Parameters":{"all.$":"$","big.$":"$.big"},"End":true}"#;
    assert_eq!(
        Story::of(r#""A":{"Type":"Pass","End":true}"#, input).end(),
        input
    );
    let end = Story::of(states, input).end();
    assert!(
        end.starts_with(r#"{"all":{"z":1,"a":1.0,"big":123456789012345678901234567890,"m":{"y":"#),
        "{end}"
    );
    assert!(
        end.ends_with(r#""r":2.0},"big":123456789012345678901234567890}"#),
        "{end}"
    );
}

#[test]
fn trap_31_results_of_a_map_stand_in_the_order_of_its_items() {
    let mut story = Story::of(
        &format!(
            r#""A":{{"Type":"Map","End":true,"ItemProcessor":{}}}"#,
            block("B", TASK)
        ),
        "[0,1,2,3]",
    );
    let attempts: Vec<_> = (0..4).map(|_| story.take()).collect();
    for index in [2, 0, 3, 1] {
        story.succeed_of(attempts[index], &format!("\"r{index}\""));
    }
    assert_eq!(story.end(), r#"["r0","r1","r2","r3"]"#);
}

/// What is open is cut by a stop as well, and no later report changes the end.
#[test]
fn trap_03_a_stop_cuts_what_is_open_for_good() {
    let mut story = Story::of(&format!(r#""A":{TASK}"#), "{}");
    let attempt = story.take();
    story
        .0
        .feed(Input::Stop(crate::world::failure(None, None)))
        .unwrap();
    let failed = Input::Failed {
        attempt,
        failure: crate::world::failure(None, None),
    };
    assert!(story.0.feed(failed).is_err());
    assert_eq!(story.end(), "Aborted - -");
}
