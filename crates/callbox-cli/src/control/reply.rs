//! What the control API answers: a status, a type, a body.

use callbox::Error;
use serde::Serialize;

use crate::exit::{self, Failure};

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The type of the body; `None` where there is no body.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: String,
    /// Where to look instead, with a redirection.
    pub location: Option<String>,
}

/// The type of JSON bodies.
const JSON: &str = "application/json";
/// The type of plain text, which toxiproxy gives its errors too.
const PLAIN: &str = "text/plain; charset=utf-8";

impl Reply {
    /// A status without a body.
    pub fn empty(status: u16) -> Reply {
        Reply { status, content_type: None, body: String::new(), location: None }
    }

    /// Plain text.
    pub fn plain(status: u16, body: impl Into<String>) -> Reply {
        Reply::typed(status, PLAIN, body)
    }

    /// A body of some type.
    pub fn typed(status: u16, content_type: &'static str, body: impl Into<String>) -> Reply {
        Reply { status, content_type: Some(content_type), body: body.into(), location: None }
    }

    /// A value as JSON.
    pub fn json(status: u16, value: &impl Serialize) -> Reply {
        Reply::typed(status, JSON, to_json(value))
    }

    /// Says where to look instead.
    pub fn moved(location: String) -> Reply {
        Reply { location: Some(location), ..Reply::empty(301) }
    }
}

/// Prints as Go does, which toxiproxy is written in: nothing in it means anything to HTML.
fn to_json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("our records have names for keys and no number is infinite");
    text.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

/// Why something asked for is not done: toxiproxy's `{"error": ..., "status": ...}`.
#[derive(Debug, Clone, Serialize)]
pub struct Refused {
    /// Why, in a line.
    pub error: String,
    /// The HTTP status.
    pub status: u16,
    /// The library's error below, for who reads no HTTP.
    #[serde(skip)]
    cause: Option<Box<Error>>,
}

impl PartialEq for Refused {
    fn eq(&self, other: &Refused) -> bool {
        (&self.error, self.status) == (&other.error, other.status)
    }
}

impl Refused {
    /// Makes one.
    pub fn new(status: u16, error: impl Into<String>) -> Refused {
        Refused { error: error.into(), status, cause: None }
    }

    /// Adds the library's error.
    #[must_use]
    pub fn because(self, error: Error) -> Refused {
        Refused { cause: Some(Box::new(error)), ..self }
    }

    /// What was sent cannot be read.
    pub fn body(problem: impl std::fmt::Display) -> Refused {
        Refused::new(400, format!("bad request body: {problem}"))
    }

    /// A field is not there that has to be.
    pub fn missing(field: impl std::fmt::Display) -> Refused {
        Refused::new(400, format!("missing required field: {field}"))
    }

    /// As the failure of a relay that was to be there from the start.
    pub fn failure(&self, relay: &str) -> Failure {
        if let Some(error) = &self.cause {
            return Failure { message: format!("relay {relay}: {error}"), ..Failure::from((**error).clone()) };
        }
        let code = if self.status < 500 { exit::USAGE } else { exit::NO_CONNECTION };
        Failure::new(code, format!("relay {relay}: {}", self.error))
    }

    /// Answers as toxiproxy does: JSON with a line feed, called plain text.
    pub fn reply(&self) -> Reply {
        Reply::plain(self.status, to_json(self) + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_json_that_is_called_plain_text() {
        let reply = Refused::missing("a<b>&c").reply();
        assert_eq!(reply.body, "{\"error\":\"missing required field: a\\u003cb\\u003e\\u0026c\",\"status\":400}\n");
        assert_eq!((reply.status, reply.content_type), (400, Some(PLAIN)));
    }
}
