//! Expressions that never end: they hold up nobody else, end by their own bound, and survive a kill.

use anyhow::ensure;
use serde_json::{Value, json};
use stepfleet_e2e::{
    Deadline, History, Settings, World, create_machine, outcome, scenario, start, wait_for_event,
};
use stepfleet_sdk::api;

/// A Pass whose output never comes.
fn endless() -> Value {
    json!({
        "QueryLanguage": "JSONata",
        "StartAt": "Spin",
        "States": {"Spin": {
            "Type": "Pass",
            "Output": "{% ($f := function($x) { $f($x + 1) }; $f(1)) %}",
            "End": true,
        }},
    })
}

/// Ten states with expressions that take no time.
fn brief() -> Value {
    let states: serde_json::Map<String, Value> = (0..10)
        .map(|n| {
            let mut state = json!({"Type": "Pass", "Output": "{% $states.input + 1 %}"});
            if n == 9 {
                state["End"] = json!(true);
            } else {
                state["Next"] = json!(format!("S{}", n + 1));
            }
            (format!("S{n}"), state)
        })
        .collect();
    json!({"QueryLanguage": "JSONata", "StartAt": "S0", "States": states})
}

#[test]
fn an_endless_expression_holds_up_nobody_else() {
    scenario(async |world: &World| {
        let coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "endless", &endless()).await?;
        let other = create_machine(&client, "brief", &brief()).await?;
        let mut spinning = Vec::new();
        for n in 0..4 {
            spinning.push(start(&client, &machine, &format!("e{n}"), &json!({})).await?);
        }
        for n in 0..50 {
            let arn = start(&client, &other, &format!("b{n}"), &json!(n)).await?;
            let ended = outcome(&client, &arn, Deadline::seconds(20)).await?;
            ensure!(ended.output() == (n + 10).to_string(), "{ended:?}");
        }
        // All of that happened while the first of the endless ones was still at it.
        let history = History::read(&client, spinning.last().expect("four of them")).await?;
        ensure!(history.count("EvaluationFailed") == 0, "{history:?}");
        Ok(())
    });
}

#[test]
fn an_endless_expression_fails_by_its_bound_after_a_kill_too() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let client = coordinator.client()?;
        let machine = create_machine(&client, "endless", &endless()).await?;
        let arn = start(&client, &machine, "e", &json!({})).await?;
        wait_for_event(&client, &arn, "ExecutionStarted", 1).await?;
        coordinator.kill()?;
        coordinator.restart().await?;
        let client = coordinator.client()?;
        let ended = outcome(&client, &arn, Deadline::seconds(60)).await?;
        ensure!(ended.status() == api::ExecutionStatus::Failed, "{ended:?}");
        ensure!(ended.error() == "States.QueryEvaluationError", "{ended:?}");
        let history = History::read(&client, &arn).await?;
        ensure!(history.count("EvaluationFailed") == 1, "{history:?}");
        history.check_closed()
    });
}
