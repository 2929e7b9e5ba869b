//! Names of variables, as `Assign` sets them and paths read them (`$name`). UAX #31.

use std::sync::LazyLock;

use regex::Regex;

use crate::limits::VARIABLE_NAME_CHARS_MAX;

/// The one name that no variable can have: JSONata finds a state's own data there.
const RESERVED: &str = "states";

static IDENTIFIER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\A\p{ID_Start}\p{ID_Continue}*\z").expect("the pattern is a constant")
});

/// Whether a text is an identifier: a letter, then letters, digits, marks and connectors, of any script.
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    if bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        return true;
    }
    IDENTIFIER.is_match(name)
}

/// Why a variable cannot have this name; none when it can.
pub(crate) fn refuse_name(name: &str) -> Option<String> {
    if name == RESERVED {
        return Some(format!("The variable name '{name}' is reserved"));
    }
    if !is_identifier(name) {
        return Some(format!(
            "The variable name '{name}' must begin with a letter and hold only letters, digits and underscores"
        ));
    }
    if name.chars().count() > VARIABLE_NAME_CHARS_MAX {
        return Some(format!(
            "The variable name '{name}' is longer than {VARIABLE_NAME_CHARS_MAX} characters"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_of_any_script() {
        for name in ["x", "x1", "snake_case", "größe", "变量", "क्षेत्र", "a·b", "ℼ"]
        {
            assert!(is_identifier(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_identifier_names_no_variable() {
        for name in ["", "1x", "_x", "x.y", "x-y", "x y", "$x", "x[0]", "x\n"] {
            assert!(!is_identifier(name), "{name:?}");
        }
    }

    #[test]
    fn a_reserved_or_long_name_is_refused() {
        assert_eq!(
            refuse_name("states").unwrap(),
            "The variable name 'states' is reserved"
        );
        assert!(refuse_name(&"é".repeat(80)).is_none());
        assert!(refuse_name(&"é".repeat(81)).is_some());
        assert!(refuse_name("States").is_none());
    }
}
