//! The part of JSON Schema that ours uses.

use serde_json::Value;

fn is_a(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("a type") {
        "number" => value.is_number(),
        "object" => value.is_object(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    }
}

/// Says what is wrong with `value`.
pub fn problem(schema: &Value, value: &Value) -> Option<String> {
    for (word, rule) in schema.as_object().expect("a schema is an object") {
        let list = || rule.as_array().expect("a list").iter();
        let wrong = match word.as_str() {
            "type" => match rule {
                Value::Array(kinds) => !kinds.iter().any(|kind| is_a(kind, value)),
                kind => !is_a(kind, value),
            },
            "const" => value != rule,
            "enum" => !list().any(|one| one == value),
            "minimum" => value.as_u64() < rule.as_u64(),
            "required" => list().any(|name| value.get(name.as_str().expect("a name")).is_none()),
            "properties" => {
                let mut inner = rule.as_object().expect("an object").iter();
                let found =
                    inner.find_map(|(name, rule)| Some(format!("{name}: {}", problem(rule, value.get(name)?)?)));
                if found.is_some() {
                    return found;
                }
                false
            }
            "additionalProperties" => {
                value.as_object().is_some_and(|map| map.values().any(|value| problem(rule, value).is_some()))
            }
            "items" => {
                let found = value.as_array().and_then(|items| items.iter().find_map(|item| problem(rule, item)));
                if found.is_some() {
                    return found;
                }
                false
            }
            "description" | "title" => false,
            other => panic!("this validator does not know {other}"),
        };
        if wrong {
            return Some(format!("{value} breaks {word} {rule}"));
        }
    }
    None
}
