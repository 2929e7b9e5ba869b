//! Every kind of work against every kind of input, as one table in `testdata/table.md`, so that an outcome that changes
//! is seen. `UPDATE=1` writes it.

use std::fs;
use std::path::Path;

use stepfleet_asl::Payload;
use stepfleet_engine::event::Handle;
use stepfleet_engine::limits::Limits;
use stepfleet_engine::{Attempt, EventId, Input, Worker, project};

use crate::world::{World, compile, failure};

const ACTIVITY: &str =
    r#""Type":"Task","Resource":"arn:aws:states:us-east-1:111111111111:activity:work","#;
const CALLBACK: &str = r#""Type":"Task","Resource":"arn:aws:states:::sqs:sendMessage.waitForTaskToken","Parameters":{"QueueUrl":"q","MessageBody":"m"},"#;
const JOB: &str = r#""Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2","Parameters":{"StateMachineArn":"c"},"#;
const CONNECTOR: &str =
    r#""Type":"Task","Resource":"arn:aws:states:::acme:work.sync","Parameters":{"a":1},"#;
const RETRY: &str = r#""Retry":[{"ErrorEquals":["States.ALL"]}],"#;

const HELD: Attempt = Attempt {
    entry: EventId(2),
    attempt: 0,
    generation: 0,
};

const START: Attempt = Attempt {
    generation: Attempt::START,
    ..HELD
};

fn begun(attempt: Attempt) -> Input {
    Input::Begun {
        attempt,
        output: Payload::empty_object(),
        handle: Handle::default(),
    }
}

/// Name, the fields of the state, and what is done before the input.
fn situations() -> Vec<(&'static str, String, Vec<Input>)> {
    let started = || Input::Started {
        attempt: HELD,
        worker: Worker::default(),
    };
    let begins = || Input::Started {
        attempt: START,
        worker: Worker::default(),
    };
    let fail = || Input::Failed {
        attempt: HELD,
        failure: failure(Some("E"), None),
    };
    let submitted = || Input::Submitted {
        attempt: HELD,
        output: Payload::empty_object(),
    };
    let inner = r#"{"StartAt":"X","States":{"X":{"Type":"Wait","Seconds":9,"End":true}}}"#;
    vec![
        ("activity offered", ACTIVITY.into(), vec![]),
        ("activity started", ACTIVITY.into(), vec![started()]),
        (
            "activity offered again",
            ACTIVITY.into(),
            vec![started(), Input::Undelivered { attempt: HELD }],
        ),
        ("callback", CALLBACK.into(), vec![]),
        ("job started", JOB.into(), vec![]),
        ("job submitted", JOB.into(), vec![submitted()]),
        ("connector offered", CONNECTOR.into(), vec![]),
        ("connector begins", CONNECTOR.into(), vec![begins()]),
        (
            "connector has begun",
            CONNECTOR.into(),
            vec![begins(), begun(START)],
        ),
        ("waiting", r#""Type":"Wait","Seconds":9,"#.into(), vec![]),
        (
            "backoff",
            format!("{ACTIVITY}{RETRY}"),
            vec![started(), fail()],
        ),
        (
            "parallel",
            format!(r#""Type":"Parallel","Branches":[{inner}],"#),
            vec![],
        ),
        (
            "map",
            format!(r#""Type":"Map","ItemProcessor":{inner},"#),
            vec![],
        ),
        ("closed", r#""Type":"Succeed""#.into(), vec![]),
        ("failed", ACTIVITY.into(), vec![started(), fail()]),
    ]
}

fn inputs() -> Vec<(&'static str, Input)> {
    let (output, attempt) = (Payload::empty_object(), HELD);
    vec![
        ("Continue", Input::Continue),
        ("Tick", Input::Tick),
        ("Stop", Input::Stop(failure(None, None))),
        ("Redrive", Input::Redrive { client_token: None }),
        (
            "Started",
            Input::Started {
                attempt,
                worker: Worker::default(),
            },
        ),
        (
            "Withdrawn",
            Input::Withdrawn {
                attempt,
                failure: failure(Some("E"), None),
            },
        ),
        ("Undelivered", Input::Undelivered { attempt }),
        (
            "Succeeded",
            Input::Succeeded {
                attempt,
                output: output.clone(),
            },
        ),
        (
            "Failed",
            Input::Failed {
                attempt,
                failure: failure(Some("E"), None),
            },
        ),
        (
            "WorkerLost",
            Input::WorkerLost {
                attempt,
                cause: None,
            },
        ),
        (
            "Submitted",
            Input::Submitted {
                attempt,
                output: output.clone(),
            },
        ),
        ("Begun", begun(HELD)),
        ("Begun by its worker", begun(START)),
        (
            "Succeeded at its worker",
            Input::Succeeded {
                attempt: START,
                output,
            },
        ),
        (
            "Lost by its worker",
            Input::WorkerLost {
                attempt: START,
                cause: None,
            },
        ),
    ]
}

fn outcome(fields: &str, before: &[Input], input: Input) -> String {
    let end = if fields.contains("Succeed") {
        ""
    } else {
        r#""End":true"#
    };
    let program = compile(&format!(
        r#"{{"StartAt":"A","States":{{"A":{{{fields}{end}}}}}}}"#
    ));
    let (mut world, _) = World::start(program, "[1]", Limits::default());
    for input in before {
        world.feed(input.clone()).unwrap();
    }
    match world.feed(input) {
        Err(rejection) => format!("*{rejection:?}*"),
        Ok(decision) if decision.events.is_empty() => "nothing".to_owned(),
        Ok(decision) => {
            let names = decision.events.iter().map(|event| {
                project(event, EventId(0), world.now).map_or("(internal)".to_owned(), |shown| {
                    shown.kind.as_str().to_owned()
                })
            });
            names.collect::<Vec<_>>().join(", ")
        }
    }
}

#[test]
fn the_table_of_work_and_inputs_is_up_to_date() {
    let mut table = String::from("| work | input | outcome |\n|---|---|---|\n");
    for (work, fields, before) in situations() {
        for (name, input) in inputs() {
            table += &format!(
                "| {work} | {name} | {} |\n",
                outcome(&fields, &before, input)
            );
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/table.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &table).unwrap();
    }
    assert_eq!(table, fs::read_to_string(path).unwrap());
}
