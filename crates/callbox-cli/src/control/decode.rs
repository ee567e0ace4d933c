//! JSON bodies read as toxiproxy reads them: the first value counts, names match in any case, null leaves what was there,
//! and errors have the words of Go's decoder.

use serde_json::{Map, Value};

use super::reply::Refused;

/// The record that is read, as errors call it, and its fields as they were sent.
#[derive(Debug)]
pub struct Record<'a> {
    name: &'a str,
    fields: &'a Map<String, Value>,
}

/// Reads the first value of a body; what comes after it is nobody's business.
pub fn value(body: &[u8]) -> Result<Value, Refused> {
    match serde_json::Deserializer::from_slice(body).into_iter::<Value>().next() {
        None => Err(Refused::body("EOF")),
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) if error.is_eof() => Err(Refused::body("unexpected EOF")),
        Some(Err(error)) => Err(Refused::body(syntax(body, &error))),
    }
}

/// Says what is wrong, and the character where it goes wrong.
fn syntax(body: &[u8], error: &serde_json::Error) -> String {
    let line = body.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let at = error.column().saturating_sub(1);
    let found = line.get(at).copied().unwrap_or(b' ');
    let text = error.to_string();
    let place = match text.split(" at line").next().unwrap_or_default() {
        "expected value" => "looking for beginning of value",
        "key must be a string" => "looking for beginning of object key string",
        "expected `:`" => "after object key",
        "expected `,` or `}`" => "after object key:value pair",
        "expected `,` or `]`" => "after array element",
        "trailing comma" => "looking for beginning of value",
        "invalid escape" => "in string escape code",
        "invalid number" => "in numeric literal",
        "expected ident" => return literal(line, at),
        other => return other.to_owned(),
    };
    format!("invalid character '{}' {place}", found.escape_ascii())
}

/// Says where a word leaves that of true, false and null which it began as.
fn literal(line: &[u8], at: usize) -> String {
    let letters = line[..at.min(line.len())].iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let start = at - letters;
    let meant = match line.get(start) {
        Some(b't') => "true",
        Some(b'f') => "false",
        _ => "null",
    };
    let differs = (1..meant.len()).find(|offset| line.get(start + offset) != meant.as_bytes().get(*offset));
    let offset = differs.unwrap_or(meant.len() - 1);
    let found = line.get(start + offset).copied().unwrap_or(b'\n').escape_ascii().to_string();
    format!("invalid character '{found}' in literal {meant} (expecting '{}')", &meant[offset..=offset])
}

/// Returns the fields of a record; null has none.
pub fn record<'a>(value: &'a Value, name: &'a str) -> Result<Record<'a>, Refused> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    match value {
        Value::Object(fields) => Ok(Record { name, fields }),
        Value::Null => Ok(Record { name, fields: &NONE }),
        other => {
            let sent = sort(other);
            Err(Refused::body(format!("json: cannot unmarshal {sent} into Go value of type toxiproxy.{name}")))
        }
    }
}

impl<'a> Record<'a> {
    /// Returns a field, by its name in any case; `None` where it is not there or null.
    pub fn field(&self, name: &str) -> Option<&'a Value> {
        let any_case = || self.fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        self.fields.get(name).or_else(any_case).filter(|value| !value.is_null())
    }

    /// Returns a field that is text.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, Refused> {
        let read = |value: &'a Value| value.as_str().ok_or_else(|| self.mismatch(name, value, "string"));
        self.field(name).map(read).transpose()
    }

    /// Returns a field that is true or false.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Refused> {
        let read = |value: &'a Value| value.as_bool().ok_or_else(|| self.mismatch(name, value, "bool"));
        self.field(name).map(read).transpose()
    }

    /// Returns a field that is a whole number.
    pub fn whole(&self, name: &str, go_type: &str) -> Result<Option<i64>, Refused> {
        let read = |value: &'a Value| value.as_i64().ok_or_else(|| self.mismatch(name, value, go_type));
        self.field(name).map(read).transpose()
    }

    /// Returns a field that is a number.
    pub fn number(&self, name: &str) -> Result<Option<f32>, Refused> {
        let finite = |value: &Value| value.as_f64().map(|number| number as f32).filter(|number| number.is_finite());
        let read = |value: &'a Value| finite(value).ok_or_else(|| self.mismatch(name, value, "float32"));
        self.field(name).map(read).transpose()
    }

    /// Returns the field `attributes`, a record itself.
    pub fn attributes(&self) -> Result<Option<Record<'a>>, Refused> {
        let read = |value: &'a Value| match value {
            Value::Object(fields) => Ok(Record { name: ".attributes", fields }),
            other => Err(self.mismatch("attributes", other, "toxics.NoopToxic")),
        };
        self.field("attributes").map(read).transpose()
    }

    fn mismatch(&self, field: &str, value: &Value, go_type: &str) -> Refused {
        let sent = match value {
            Value::Number(number) => format!("number {number}"),
            other => sort(other).to_owned(),
        };
        let sent = if matches!(go_type, "string" | "bool") { sort(value).to_owned() } else { sent };
        let name = self.name;
        Refused::body(format!("json: cannot unmarshal {sent} into Go struct field {name}.{field} of type {go_type}"))
    }
}

fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        value(body.as_bytes()).expect_err(body).error
    }

    #[test]
    fn the_first_value_counts_and_what_is_none_is_said_in_gos_words() {
        assert_eq!(value(b"{\"a\":1} {").expect("the first is good"), serde_json::json!({"a": 1}));
        assert_eq!(refusal(""), "bad request body: EOF");
        assert_eq!(refusal("  \n"), "bad request body: EOF");
        assert_eq!(refusal("{\"a\":"), "bad request body: unexpected EOF");
        assert_eq!(refusal("}"), "bad request body: invalid character '}' looking for beginning of value");
        assert_eq!(refusal("{\"a\":\n x}"), "bad request body: invalid character 'x' looking for beginning of value");
        assert_eq!(
            refusal("{1}"),
            "bad request body: invalid character '1' looking for beginning of object key string"
        );
        assert_eq!(refusal("not json"), "bad request body: invalid character 'o' in literal null (expecting 'u')");
        assert_eq!(refusal("[n]"), "bad request body: invalid character ']' in literal null (expecting 'u')");
        assert_eq!(refusal("{\"a\": tru}"), "bad request body: invalid character '}' in literal true (expecting 'e')");
        assert_eq!(refusal("[1 2]"), "bad request body: invalid character '2' after array element");
    }

    #[test]
    fn names_match_in_any_case_and_null_is_nothing() {
        let sent = serde_json::json!({"Name": "a", "enabled": null, "listen": "b", "LISTEN": "c", "rate": 7});
        let record = record(&sent, "Proxy").expect("an object");
        assert_eq!(record.text("name"), Ok(Some("a")));
        assert_eq!(record.text("listen"), Ok(Some("b")));
        assert_eq!(record.flag("enabled"), Ok(None));
        assert_eq!(record.whole("rate", "int64"), Ok(Some(7)));
        assert_eq!(record.text("other"), Ok(None));
    }

    #[test]
    fn a_wrong_type_is_named() {
        let sent = serde_json::json!({"name": 1, "enabled": "yes", "rate": 1.5, "toxicity": "1"});
        let record = record(&sent, "Proxy").expect("an object");
        let said = "bad request body: json: cannot unmarshal";
        let error = |result: Refused| result.error;
        let name = format!("{said} number into Go struct field Proxy.name of type string");
        assert_eq!(error(record.text("name").expect_err("a number")), name);
        let enabled = format!("{said} string into Go struct field Proxy.enabled of type bool");
        assert_eq!(error(record.flag("enabled").expect_err("a text")), enabled);
        let rate = format!("{said} number 1.5 into Go struct field Proxy.rate of type int64");
        assert_eq!(error(record.whole("rate", "int64").expect_err("a fraction")), rate);
        let toxicity = format!("{said} string into Go struct field Proxy.toxicity of type float32");
        assert_eq!(error(record.number("toxicity").expect_err("a text")), toxicity);
        let array = super::record(&serde_json::json!([]), "Proxy").expect_err("no object");
        assert_eq!(array.error, format!("{said} array into Go value of type toxiproxy.Proxy"));
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_read_or_refused(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            let _ = value(&body);
        }

        #[test]
        fn what_is_nearly_json_is_read_or_refused(body in r#"[\[\]{}:,"\\ \ntruefalsn0-9.eE+-]{0,40}"#) {
            if let Err(refused) = value(body.as_bytes()) {
                proptest::prop_assert_eq!(refused.status, 400);
            }
        }
    }
}
