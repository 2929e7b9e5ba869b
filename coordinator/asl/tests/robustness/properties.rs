//! No text panics, and every answer keeps the promises of its function.

use proptest::prelude::*;
use stepfleet_asl::choice::Rule;
use stepfleet_asl::definition::{self, MachineType, Options};
use stepfleet_asl::intrinsic::Intrinsic;
use stepfleet_asl::path::{Path, ReferencePath};
use stepfleet_asl::template::Template;
use stepfleet_asl::time::{format_timestamp, parse_timestamp};
use stepfleet_asl::{Payload, Value};

use crate::generate::{damaged, definition, document, intrinsic, path, rule, template};
use crate::{Surroundings, config, value};

fn compile_all(text: &str) {
    for machine_type in [MachineType::Standard, MachineType::Express] {
        let options = Options {
            machine_type,
            served: &|_| false,
            connects: &|_| false,
        };
        let findings = definition::validate(text, &options);
        let has_errors = findings.iter().any(stepfleet_asl::Diagnostic::is_error);
        assert_eq!(
            definition::compile(text, &options).is_err(),
            has_errors,
            "{text}"
        );
        let _ = definition::invalid_definition_message(&findings);
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn no_path_panics(path in damaged(path()), document in document()) {
        if let Ok(parsed) = Path::parse(&path) {
            let found = parsed.eval(&value(&document), &Surroundings::new());
            if let (false, Ok(found)) = (parsed.is_definite() || path.ends_with(')'), found) {
                prop_assert!(found.as_array().is_some(), "{path}");
            }
        }
        if let Ok(parsed) = ReferencePath::parse(&path) {
            let _ = parsed.insert(&value(&document), Value::Null);
        }
    }

    #[test]
    fn a_whole_path_of_the_grammar_does_not_panic(path in path(), document in document()) {
        if let Ok(parsed) = Path::parse(&path) {
            let _ = parsed.eval(&value(&document), &Surroundings::new());
        }
    }

    #[test]
    fn no_intrinsic_panics(text in damaged(intrinsic()), document in document()) {
        if let Ok(parsed) = Intrinsic::parse(&text) {
            let _ = parsed.eval(&value(&document), &Surroundings::new());
        }
    }

    #[test]
    fn a_whole_intrinsic_of_the_grammar_does_not_panic(text in intrinsic(), document in document()) {
        if let Ok(parsed) = Intrinsic::parse(&text) {
            let _ = parsed.eval(&value(&document), &Surroundings::new());
        }
    }

    #[test]
    fn no_template_panics(text in template(), document in document()) {
        if let Ok(parsed) = Template::compile(&value(&text)) {
            let _ = parsed.eval(&value(&document), &Surroundings::new());
        }
    }

    #[test]
    fn no_rule_panics(text in rule(), document in document()) {
        if let Ok(parsed) = Rule::compile(&value(&text)) {
            let _ = parsed.eval(&value(&document), &Surroundings::new());
        }
    }

    #[test]
    fn no_definition_panics(text in definition()) {
        compile_all(&text);
    }

    #[test]
    fn no_damaged_definition_panics(text in damaged(definition())) {
        compile_all(&text);
    }

    #[test]
    fn no_random_text_panics(text in any::<String>()) {
        compile_all(&text);
        let _ = Path::parse(&text);
        let _ = Path::parse(&format!("${text}"));
        let _ = Intrinsic::parse(&format!("States.Format('{text}')"));
        let _ = parse_timestamp(&text);
        let _ = Payload::parse(text);
    }

    #[test]
    fn timestamps_read_back(
        text in damaged(Just("2024-02-29T12:34:56.789+01:00".to_owned())), ms in any::<i64>(), near in 0..4_102_444_800_000_i64,
    ) {
        if let Some(ms) = parse_timestamp(&text) {
            prop_assert_eq!(parse_timestamp(&format_timestamp(ms)), Some(ms));
        }
        let _ = format_timestamp(ms);
        prop_assert_eq!(parse_timestamp(&format_timestamp(near)), Some(near));
    }

    #[test]
    fn documents_print_as_texts_that_read_as_the_same(text in damaged(document())) {
        let parsed = Value::parse(&text);
        prop_assert_eq!(parsed.is_ok(), Payload::parse(text.as_str()).is_ok());
        if let Ok(parsed) = parsed {
            let printed = parsed.to_text();
            let again = Value::parse(&printed).unwrap();
            prop_assert_eq!(&again, &parsed);
            prop_assert_eq!(again.to_text(), printed);
        }
    }
}
