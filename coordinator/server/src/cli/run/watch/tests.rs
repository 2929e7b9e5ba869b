//! The watch as people read it, from event lists in the order and with the links that Step Functions records.

use super::lines;
use super::tracker::Tracker;
use crate::cli::testing;

/// Events one per line: `id<previous @milliseconds Type {details}`.
fn watched(history: &str) -> String {
    let (output, _) = testing::output();
    let mut tracker = Tracker::default();
    let events = testing::events(history);
    let told = events.iter().filter_map(|event| tracker.observe(event));
    told.map(|line| lines::render(&line, &output))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn an_activity_is_retried_and_then_succeeds() {
    let text = watched(
        r#"
        1<0 @0 ExecutionStarted {"input":"{}"}
        2<0 @1 PassStateEntered {"name":"Begin","input":"{}"}
        3<2 @1 PassStateExited {"name":"Begin","output":"{}"}
        4<3 @2 TaskStateEntered {"name":"Fetch","input":"{}"}
        5<4 @2 ActivityScheduled {"resource":"arn:aws:states:us-east-1:000000000000:activity:fetch"}
        6<5 @9 ActivityStarted {"workerName":"host-1"}
        7<6 @31 ActivityFailed {"error":"Flaky","cause":"first\ntime"}
        8<7 @1031 ActivityScheduled {"resource":"arn:aws:states:us-east-1:000000000000:activity:fetch"}
        9<8 @1033 ActivityStarted {"workerName":"host-2"}
        10<9 @1060 ActivitySucceeded {"output":"1"}
        11<10 @1060 TaskStateExited {"name":"Fetch","output":"1"}
        12<11 @1060 ExecutionSucceeded {"output":"1"}
        "#,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn map_iterations_show_progress_and_their_index() {
    let text = watched(
        r#"
        1<0 @0 ExecutionStarted {}
        2<0 @0 MapStateEntered {"name":"Each","input":"[1,2]"}
        3<2 @0 MapStateStarted {"length":2}
        4<3 @0 MapIterationStarted {"name":"Each","index":0}
        5<4 @0 TaskStateEntered {"name":"Sum"}
        6<5 @0 ActivityScheduled {}
        7<3 @0 MapIterationStarted {"name":"Each","index":1}
        8<7 @0 TaskStateEntered {"name":"Sum"}
        9<8 @0 ActivityScheduled {}
        10<9 @5 ActivityStarted {"workerName":"b"}
        11<10 @7 ActivitySucceeded {}
        12<11 @7 TaskStateExited {"name":"Sum"}
        13<12 @7 MapIterationSucceeded {"name":"Each","index":1}
        14<6 @8 ActivityStarted {"workerName":"a"}
        15<14 @12 ActivitySucceeded {}
        16<15 @12 TaskStateExited {"name":"Sum"}
        17<16 @12 MapIterationSucceeded {"name":"Each","index":0}
        18<16 @12 MapStateSucceeded
        19<16 @12 MapStateExited {"name":"Each"}
        20<19 @12 SucceedStateEntered {"name":"End"}
        21<20 @12 SucceedStateExited {"name":"End"}
        22<21 @12 ExecutionSucceeded {}
        "#,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn maps_in_maps_one_item_at_a_time_keep_their_depth() {
    let text = watched(
        r#"
        1<0 @0 ExecutionStarted {}
        2<0 @0 MapStateEntered {"name":"Outer"}
        3<2 @0 MapStateStarted {"length":2}
        4<3 @0 MapIterationStarted {"name":"Outer","index":0}
        5<4 @0 MapStateEntered {"name":"Inner"}
        6<5 @0 MapStateStarted {"length":1}
        7<6 @0 MapIterationStarted {"name":"Inner","index":0}
        8<7 @0 PassStateEntered {"name":"P"}
        9<8 @0 PassStateExited {"name":"P"}
        10<9 @1 MapIterationSucceeded {"name":"Inner","index":0}
        11<9 @1 MapStateSucceeded
        12<9 @1 MapStateExited {"name":"Inner"}
        13<12 @1 MapIterationSucceeded {"name":"Outer","index":0}
        14<12 @1 MapIterationStarted {"name":"Outer","index":1}
        15<14 @1 MapStateEntered {"name":"Inner"}
        16<15 @1 MapStateStarted {"length":0}
        17<16 @1 MapStateSucceeded
        18<16 @1 MapStateExited {"name":"Inner"}
        19<18 @2 MapIterationSucceeded {"name":"Outer","index":1}
        20<18 @2 MapStateSucceeded
        21<18 @2 MapStateExited {"name":"Outer"}
        22<21 @2 ExecutionSucceeded {}
        "#,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn a_failed_parallel_names_what_it_aborted_and_is_caught() {
    let text = watched(
        r#"
        1<0 @0 ExecutionStarted {}
        2<0 @0 ParallelStateEntered {"name":"Both"}
        3<2 @0 ParallelStateStarted
        4<3 @0 TaskStateEntered {"name":"Left"}
        5<4 @0 ActivityScheduled {}
        6<3 @0 WaitStateEntered {"name":"Right"}
        7<5 @2 ActivityStarted {"workerName":"a"}
        8<7 @4 ActivityFailed {"error":"Boom"}
        9<8 @4 TaskStateAborted
        10<8 @4 WaitStateAborted
        11<8 @4 ParallelStateFailed
        12<8 @4 ParallelStateExited {"name":"Both","output":"{}"}
        13<12 @4 FailStateEntered {"name":"GiveUp"}
        14<13 @4 ExecutionFailed {"error":"Boom","cause":"left"}
        "#,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn a_failed_map_is_started_again() {
    let text = watched(
        r#"
        1<0 @0 ExecutionStarted {}
        2<0 @0 MapStateEntered {"name":"Each"}
        3<2 @0 MapStateStarted {"length":2}
        4<3 @0 MapIterationStarted {"name":"Each","index":0}
        5<4 @0 TaskStateEntered {"name":"Sum"}
        6<5 @0 ActivityScheduled {}
        7<3 @0 MapIterationStarted {"name":"Each","index":1}
        8<7 @0 TaskStateEntered {"name":"Sum"}
        9<8 @0 ActivityScheduled {}
        10<6 @1 ActivityTimedOut {"error":"States.Timeout"}
        11<10 @1 MapIterationFailed {"name":"Each","index":0}
        12<10 @1 TaskStateAborted
        13<10 @1 MapIterationAborted {"name":"Each","index":1}
        14<10 @1 MapStateFailed
        15<10 @9 MapStateStarted {"length":2}
        16<15 @9 MapIterationStarted {"name":"Each","index":0}
        17<16 @9 PassStateEntered {"name":"P"}
        18<17 @9 PassStateExited {"name":"P"}
        19<18 @9 MapIterationSucceeded {"name":"Each","index":0}
        "#,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn a_redrive_goes_on_where_branches_were() {
    let text = watched(
        r#"
        1<0 @0 ExecutionStarted {}
        2<0 @0 ParallelStateEntered {"name":"Both"}
        3<2 @0 ParallelStateStarted
        4<3 @0 TaskStateEntered {"name":"Left"}
        5<4 @0 ActivityScheduled {}
        6<3 @0 WaitStateEntered {"name":"Right"}
        7<5 @2 ActivityStarted {"workerName":"a"}
        8<7 @4 ActivityFailed {"error":"Boom"}
        9<8 @4 TaskStateAborted
        10<8 @4 WaitStateAborted
        11<8 @4 ParallelStateFailed
        12<11 @4 ExecutionFailed {"error":"Boom"}
        13<12 @60 ExecutionRedriven {"redriveCount":1}
        14<7 @60 ActivityScheduled {}
        15<14 @61 ActivityStarted {"workerName":"b"}
        16<15 @62 ActivitySucceeded {}
        17<16 @62 TaskStateExited {"name":"Left"}
        18<6 @70 WaitStateExited {"name":"Right"}
        19<18 @70 ParallelStateSucceeded
        20<18 @70 ParallelStateExited {"name":"Both"}
        21<20 @70 ExecutionSucceeded {}
        "#,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn a_callback_waits_until_someone_stops_the_execution() {
    let text = watched(
        r#"
        1<0 @0 ExecutionStarted {}
        2<0 @0 TaskStateEntered {"name":"Approve"}
        3<2 @0 TaskScheduled {"resourceType":"stepfleet","resource":"callback.waitForTaskToken","parameters":"{}"}
        4<3 @0 TaskStarted {"resource":"callback.waitForTaskToken"}
        5<4 @0 TaskSubmitted {"resource":"callback.waitForTaskToken","output":"{}"}
        6<0 @61000 ExecutionAborted {"error":"Stopped","cause":"by hand"}
        "#,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn unknown_events_and_odd_details_change_nothing() {
    assert_eq!(
        watched("1<0 @0 ExecutionStarted\n2<7 @0 SomethingNew {}\n3<2 @0 TaskStateExited {}"),
        ""
    );
}
