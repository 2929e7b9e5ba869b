//! Names of functions, and what they are.

use super::*;
use crate::outbound::Outbound;

fn functions() -> Functions {
    let parsed: crate::config::Filed = toml::from_str(
        r#"
        functions = [
            { name = "resize", activity = "resize" },
            { name = "resize:next", endpoint = "https://next.example.com/" },
            { name = "resize", namespace = "111111111111", activity = "other" },
            { name = "theirs", namespace = "111111111111", activity = "theirs" },
        ]
        "#,
    )
    .unwrap();
    let config = Config {
        functions: parsed.functions,
        ..Config::default()
    };
    let outbound = Outbound::new(&config.http).unwrap();
    let connections = Connections::open(&config, &outbound, &|_| None).unwrap();
    let arns = ArnSpace {
        partition: "aws".into(),
        region: "us-east-1".into(),
    };
    Functions::of(&config, &arns, &connections)
}

#[test]
fn a_function_is_named_in_every_way_that_lambda_has() {
    let functions = functions();
    let activity = "Some(Activity(\"arn:aws:states:us-east-1:000000000000:activity:resize\"))";
    let endpoint = "Some(Endpoint { url: \"https://next.example.com/\", connection: None })";
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:resize";
    let next = format!("{arn}:next");
    for (reference, qualifier, expect) in [
        ("resize", None, activity),
        ("resize", Some("7"), activity),
        ("resize", Some("next"), endpoint),
        ("resize:next", None, endpoint),
        ("000000000000:function:resize", None, activity),
        ("function:resize:next", None, endpoint),
        (arn, None, activity),
        (&next, None, endpoint),
        ("other", None, "None"),
        ("theirs", None, "None"),
    ] {
        let found = functions.find("000000000000", Named::read(reference, qualifier));
        assert_eq!(format!("{found:?}"), expect, "{reference} {qualifier:?}");
    }
    assert!(functions.knows(Named::read("theirs", None)));
    assert!(!functions.knows(Named::read("other", None)));
}
