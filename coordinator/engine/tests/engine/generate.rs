//! Random state machines and random inputs for the properties.

use proptest::prelude::*;

const ACTIVITY: &str = "arn:aws:states:us-east-1:111111111111:activity:work";

/// One `States` block: its states go on one after another, now and then back to its start.
fn block(depth: u32) -> BoxedStrategy<String> {
    prop::collection::vec(state(depth), 1..4)
        .prop_map(|states| {
            let last = states.len() - 1;
            let states: Vec<String> = (0..)
                .zip(&states)
                .map(|(index, state)| {
                    let next = if index == last {
                        r#""End":true"#.to_owned()
                    } else {
                        format!(r#""Next":"n{}""#, index + 1)
                    };
                    // Names are unique in a whole document.
                    let state = state
                        .replace("\"n", &format!("\"n{index}x"))
                        .replace("%NEXT%", &next);
                    let down = if index == last {
                        "nend".to_owned()
                    } else {
                        format!("n{}", index + 1)
                    };
                    let state = state.replace("%DOWN%", &down);
                    let target = if index == last { 0 } else { index + 1 };
                    format!(
                        r#""n{index}":{}"#,
                        state.replace("%TARGET%", &format!("n{target}"))
                    )
                })
                .collect();
            format!(
                r#""StartAt":"n0","States":{{{},"nend":{{"Type":"Succeed"}}}}"#,
                states.join(",")
            )
        })
        .boxed()
}

fn state(depth: u32) -> BoxedStrategy<String> {
    let plain = prop_oneof![
        3 => Just(r#"{"Type":"Pass",%NEXT%}"#.to_owned()),
        1 => Just(r#"{"Type":"Pass","Result":[1,{"a":2},3],%NEXT%}"#.to_owned()),
        1 => Just(r#"{"Type":"Pass","Parameters":{"x.$":"$$.State.Name","id.$":"States.UUID()"},%NEXT%}"#.to_owned()),
        1 => Just(r#"{"Type":"Pass","ResultPath":"$.kept","Result":7,%NEXT%}"#.to_owned()),
        2 => (0_u32..5).prop_map(|s| format!(r#"{{"Type":"Wait","Seconds":{s},%NEXT%}}"#)),
        1 => Just(r#"{"Type":"Fail","Error":"Broken"}"#.to_owned()),
        1 => Just(r#"{"Type":"Fail"}"#.to_owned()),
        1 => Just(r#"{"Type":"Succeed"}"#.to_owned()),
        1 => Just(r#"{"Type":"Choice","Choices":[{"Variable":"$","IsString":true,"Next":"%DOWN%"}]}"#.to_owned()),
        2 => Just(format!(r#"{{"Type":"Pass","Assign":{{"v{depth}.$":"$","id{depth}.$":"States.UUID()"}},%NEXT%}}"#)),
        2 => (0_u32..3).prop_map(move |around| copied(depth, around)),
        1 => Just(format!(r#"{{"Type":"Wait","Seconds":1,"Assign":{{"v{depth}":"waited"}},%NEXT%}}"#)),
        1 => Just(r#"{"Type":"Pass","OutputPath":"$v0",%NEXT%}"#.to_owned()),
        5 => task(depth),
        6 => jsonata(depth),
    ];
    if depth == 0 {
        return plain.boxed();
    }
    let branches = (prop::collection::vec(block(depth - 1), 1..4), errors(depth)).prop_map(
        |(blocks, errors)| {
            let blocks: Vec<String> = (0..)
                .zip(&blocks)
                .map(|(branch, block)| {
                    format!("{{{}}}", block.replace("\"n", &format!("\"nb{branch}x")))
                })
                .collect();
            format!(
                r#"{{"Type":"Parallel","Branches":[{}],{errors}%NEXT%}}"#,
                blocks.join(",")
            )
        },
    );
    let map = (block(depth - 1), 0_u32..4, errors(depth)).prop_map(|(block, max, errors)| {
        format!(
            r#"{{"Type":"Map","ItemsPath":"$$.Execution.Input.items","MaxConcurrency":{max},"ItemProcessor":{{{block}}},{errors}%NEXT%}}"#
        )
    });
    prop_oneof![4 => plain, 2 => branches, 2 => map, 1 => jsonata_around(depth)].boxed()
}

/// A state in JSONata: each field that takes an expression; some expressions fail.
fn jsonata(depth: u32) -> BoxedStrategy<String> {
    let pass = prop::sample::select(vec![
        r#""Output":"{% $states.input %}","#,
        r#""Output":{"in":"{% $states.input %}","u":"{% $uuid() %}"},"#,
        r#""Output":"{% $exists($v0) ? $v0 : 7 %}","#,
        r#""Output":"{% $states.input.none %}","#,
        r#""Output":"{% $error('no') %}","#,
        r#""Output":"{% $random() & $now() %}","#,
    ])
    .prop_map(|output| {
        format!(r#"{{"Type":"Pass","QueryLanguage":"JSONata",{output}%ASSIGN%%NEXT%}}"#)
    });
    let wait = prop::sample::select(vec![
        "{% 1 + 2 %}",
        "{% 'x' %}",
        "{% $count([$states.input]) %}",
    ])
    .prop_map(|seconds| {
        format!(
            r#"{{"Type":"Wait","QueryLanguage":"JSONata","Seconds":"{seconds}",%ASSIGN%%NEXT%}}"#
        )
    });
    let choice = prop::sample::select(vec!["{% $exists($v0) %}", "{% $states.input = 1 %}", "{% 1 %}"]).prop_map(
        |condition| format!(r#"{{"Type":"Choice","QueryLanguage":"JSONata",%ASSIGN%"Choices":[{{"Condition":"{condition}",%ASSIGN%"Output":"{{% $states.context.State.Name %}}","Next":"%DOWN%"}}],"Default":"%DOWN%"}}"#),
    );
    let fail = Just(r#"{"Type":"Fail","QueryLanguage":"JSONata","Error":"{% 'A' %}","Cause":"{% $string($states.input) %}"}"#.to_owned());
    let task = (prop::sample::select(vec!["{% $states.result %}", "{% $states.result.done %}"]), jsonata_errors(depth)).prop_map(
        |(output, errors)| format!(r#"{{"Type":"Task","QueryLanguage":"JSONata","Resource":"{ACTIVITY}","Arguments":{{"a":"{{% $states.input %}}"}},"TimeoutSeconds":"{{% 3 * 3 %}}","Output":"{output}",{errors}%ASSIGN%%NEXT%}}"#),
    );
    let assign = prop::sample::select(vec![
        String::new(),
        format!(r#""Assign":{{"v{depth}":"{{% $states.input %}}"}},"#),
        format!(
            r#""Assign":{{"v{depth}":"{{% $exists($v{depth}) ? 1 : 2 %}}","id{depth}":"{{% $uuid() %}}"}},"#
        ),
        format!(r#""Assign":{{"v{depth}":"{{% $states.input.none %}}"}},"#),
    ]);
    let state = prop_oneof![3 => pass, 1 => wait, 2 => choice, 1 => fail, 3 => task];
    (state, assign)
        .prop_map(|(state, assign)| state.replace("%ASSIGN%", &assign))
        .boxed()
}

/// A Map or a Parallel in JSONata around states of either language.
fn jsonata_around(depth: u32) -> BoxedStrategy<String> {
    let items = prop::sample::select(vec![
        r#""Items":"{% $states.context.Execution.Input.items %}","#,
        r#""Items":"{% $states.input %}","#,
        r#""Items":[1,"{% 2 %}"],"ItemSelector":{"i":"{% $states.context.Map.Item.Index %}"},"#,
        r#""Items":"{% [1..3] %}","ItemSelector":"{% $states.context.Map.Item.Value.none %}","#,
    ]);
    let map = (block(depth - 1), items, jsonata_errors(depth)).prop_map(|(block, items, errors)| {
        format!(r#"{{"Type":"Map","QueryLanguage":"JSONata",{items}"MaxConcurrency":"{{% 2 %}}","ItemProcessor":{{{block}}},{errors}%NEXT%}}"#)
    });
    let parallel = (block(depth - 1), jsonata_errors(depth)).prop_map(|(block, errors)| {
        format!(r#"{{"Type":"Parallel","QueryLanguage":"JSONata","Arguments":"{{% [1, $states.input] %}}","Branches":[{{{block}}}],{errors}"Output":"{{% $states.result %}}",%NEXT%}}"#)
    });
    prop_oneof![map, parallel].boxed()
}

/// `Retry` and `Catch` of a state in JSONata.
fn jsonata_errors(depth: u32) -> BoxedStrategy<String> {
    let retry = prop::sample::select(vec![
        "",
        r#""Retry":[{"ErrorEquals":["States.QueryEvaluationError","A"],"MaxAttempts":2}],"#,
    ]);
    let catch = prop::sample::select(vec![
        String::new(),
        format!(r#""Catch":[{{"ErrorEquals":["States.ALL"],"Output":"{{% $states.errorOutput %}}","Assign":{{"v{depth}":"{{% $states.errorOutput.Error %}}"}},"Next":"%TARGET%"}}],"#),
        r#""Catch":[{"ErrorEquals":["States.ALL"],"Output":"{% $states.errorOutput.none %}","Next":"%TARGET%"}],"#.to_owned(),
    ]);
    (retry, catch)
        .prop_map(|(retry, catch)| format!("{retry}{catch}"))
        .boxed()
}

/// A variable of a block around this one, kept under a name of this block if it is set. Blocks of one depth share
/// their names, which no block inside them has.
fn copied(depth: u32, around: u32) -> String {
    format!(
        r#"{{"Type":"Choice","Assign":{{"v{depth}":null}},"Choices":[{{"Variable":"$v{around}","IsPresent":true,"Next":"%DOWN%","Assign":{{"v{depth}.$":"$v{around}"}}}}],"Default":"%DOWN%"}}"#
    )
}

fn task(depth: u32) -> BoxedStrategy<String> {
    let resource = prop_oneof![
        4 => Just(ACTIVITY),
        1 => Just("arn:aws:states:::sqs:sendMessage.waitForTaskToken"),
        1 => Just("arn:aws:states:::states:startExecution.sync:2"),
        1 => Just("arn:aws:states:::acme:work"),
        2 => Just("arn:aws:states:::acme:work.sync"),
        1 => Just("arn:aws:states:::acme:work.waitForTaskToken"),
        1 => Just("arn:aws:states:us-east-1:111111111111:activity:missing"),
    ];
    let clocks = prop_oneof![
        Just(""),
        Just(r#""TimeoutSeconds":9,"#),
        Just(r#""TimeoutSeconds":60,"HeartbeatSeconds":5,"#),
    ];
    (resource, clocks, errors(depth))
        .prop_map(|(resource, clocks, errors)| {
            format!(r#"{{"Type":"Task","Resource":"{resource}",{clocks}{errors}%NEXT%}}"#)
        })
        .boxed()
}

/// `Retry`, `Catch` and `Assign` of a state in a block of this depth.
fn errors(depth: u32) -> BoxedStrategy<String> {
    let retry = prop_oneof![
        2 => Just(""),
        1 => Just(r#""Retry":[{"ErrorEquals":["A"],"MaxAttempts":2},{"ErrorEquals":["States.ALL"],"MaxAttempts":1,"JitterStrategy":"FULL","MaxDelaySeconds":5}],"#),
        1 => Just(r#""Retry":[{"ErrorEquals":["States.Timeout"],"IntervalSeconds":2}],"#),
    ];
    let catch = prop_oneof![
        2 => Just(String::new()),
        1 => Just(r#""Catch":[{"ErrorEquals":["States.ALL"],"Next":"%TARGET%"}],"#.to_owned()),
        1 => Just(format!(r#""Catch":[{{"ErrorEquals":["B","States.TaskFailed"],"ResultPath":null,"Assign":{{"v{depth}.$":"$"}},"Next":"%TARGET%"}}],"#)),
    ];
    let assign = prop_oneof![
        2 => Just(String::new()),
        1 => Just(format!(r#""Assign":{{"r{depth}.$":"$"}},"#)),
    ];
    (retry, catch, assign)
        .prop_map(|(retry, catch, assign)| format!("{retry}{catch}{assign}"))
        .boxed()
}

/// A definition, some with a machine-level timeout.
pub(crate) fn definition() -> BoxedStrategy<String> {
    (block(2), any::<bool>())
        .prop_map(|(block, bounded)| {
            let timeout = if bounded {
                r#""TimeoutSeconds":600,"#
            } else {
                ""
            };
            format!("{{{timeout}{block}}}")
        })
        .boxed()
}

/// What a test does next, by numbers that it takes modulo what there is.
#[derive(Clone, Debug)]
pub(crate) enum Move {
    Tick(i64),
    PassTime,
    Start(usize),
    Succeed(usize),
    Fail(usize, &'static str),
    Submit(usize),
    Begin(usize),
    Undelivered(usize),
    Lost(usize),
    Withdraw(usize),
    Heartbeat(usize),
    /// A heartbeat with details.
    Progress(usize, u8),
    Continue,
    Stop,
    Redrive,
}

pub(crate) fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        2 => (0_i64..4_000).prop_map(Move::Tick),
        3 => Just(Move::PassTime),
        6 => any::<usize>().prop_map(Move::Start),
        6 => any::<usize>().prop_map(Move::Succeed),
        3 => (any::<usize>(), prop_oneof![Just("A"), Just("B"), Just("States.Runtime"), Just("")])
            .prop_map(|(which, error)| Move::Fail(which, error)),
        1 => any::<usize>().prop_map(Move::Submit),
        3 => any::<usize>().prop_map(Move::Begin),
        1 => any::<usize>().prop_map(Move::Undelivered),
        1 => any::<usize>().prop_map(Move::Lost),
        1 => any::<usize>().prop_map(Move::Withdraw),
        1 => any::<usize>().prop_map(Move::Heartbeat),
        2 => (any::<usize>(), 0..4_u8).prop_map(|(which, percent)| Move::Progress(which, percent)),
        2 => Just(Move::Continue),
        3 => Just(Move::Redrive),
        1 => prop::sample::select(vec![Move::PassTime; 30].into_iter().chain([Move::Stop]).collect::<Vec<_>>()),
    ];
    prop::collection::vec(one, 1..60)
}
