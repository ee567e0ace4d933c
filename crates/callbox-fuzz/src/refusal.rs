//! How input is refused: in one line that points at the character and shows a right one.

use callbox::Invalid;
use callbox_testkit::assert_harmless;

/// Insists that an error in `input` has a place in it, an advice, and nothing that a terminal would obey.
pub fn check(invalid: &Invalid, input: &str) {
    assert_eq!(invalid.input, input, "the input is shown as written");
    check_words(invalid);
    let at = invalid.at.unwrap_or_else(|| panic!("no place: {invalid}"));
    assert!(input.is_char_boundary(at), "{at} is no place: {invalid}");
}

/// Insists on one line with an advice; for errors that are about the whole, such as an empty name.
pub fn check_words(invalid: &Invalid) {
    assert!(!invalid.problem.is_empty() && !invalid.what.is_empty(), "{invalid:?}");
    let shown = invalid.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?} is one line");
    // What it says of the input, which is itself shown as typed.
    assert_harmless(invalid.problem.as_bytes());
    assert_harmless(invalid.instead.as_deref().unwrap_or_default().as_bytes());
    assert!(invalid.instead.as_ref().is_some_and(|advice| !advice.is_empty()), "no advice: {invalid}");
}
