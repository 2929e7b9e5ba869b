//! What an execution keeps of what was under way when it failed: nothing, where nobody can redrive it.

use std::sync::Arc;

use stepfleet_asl::{Patience, Payload};
use stepfleet_engine::limits::Limits;
use stepfleet_engine::{Env, start, start_unkept};

use crate::services::TestServices;
use crate::world::{START, compile, header};

#[test]
fn an_execution_that_nobody_redrives_keeps_no_frames() {
    let program = compile(r#"{"StartAt":"F","States":{"F":{"Type":"Fail","Error":"E"}}}"#);
    let env = Env {
        now: START,
        entropy: 1,
        services: &TestServices,
        limits: &Limits::default(),
        patience: Patience::Full,
    };
    let input = Payload::parse("{}").unwrap();
    let kept = start(&program, Arc::new(header()), input.clone(), &env);
    let unkept = start_unkept(&program, Arc::new(header()), input, &env);
    let frames = [&kept, &unkept].map(|decision| decision.execution.kept.len());
    assert_eq!(frames, [1, 0]);
    assert_eq!(kept.execution.status, unkept.execution.status);
}
