//! What lines and shades stand for, in a row above a plot.

use super::drawing::{Anchor, Drawing};

/// A letter of a label is about this wide.
const LETTER: f64 = 6.6;

/// Draws strokes with their names, the last one ending at `right`.
pub fn strokes(drawing: &mut Drawing, (right, y): (f64, f64), names: &[(&str, &str)]) {
    let mut at = right;
    for (class, name) in names.iter().rev() {
        at -= name.chars().count() as f64 * LETTER;
        drawing.text((at, y + 4.0), Anchor::Start, "mark", name);
        at -= 32.0;
        match *class {
            "failed" => drawing.rectangle((at + 6.0, y - 5.0), (12.0, 10.0), "failed", ""),
            class => drawing.line((at, y), (at + 24.0, y), class),
        }
        at -= 20.0;
    }
}

/// Draws shades from few to many, each with the least count that it stands for, the last one ending at `right`.
pub fn shades(drawing: &mut Drawing, (right, y): (f64, f64), about: &str, shades: &[(String, String)]) {
    const WIDE: f64 = 56.0;
    let left = right - WIDE * shades.len() as f64;
    drawing.text((left - 12.0, y + 10.0), Anchor::End, "mark", about);
    for (at, (class, least)) in shades.iter().enumerate() {
        let x = left + WIDE * at as f64;
        drawing.rectangle((x, y), (WIDE - 2.0, 12.0), class, "");
        drawing.text((x + WIDE / 2.0 - 1.0, y + 27.0), Anchor::Middle, "mark", least);
    }
}
