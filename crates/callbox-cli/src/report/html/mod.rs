//! A report as one page: no scripts, nothing fetched, plots as SVG, readable in the dark and on paper.
//!
//! The same report and title give the same page, but for the time in it. Whatever a peer or a user had a say in is escaped.

mod axis;
mod css;
mod curve;
mod drawing;
mod heat;
mod legend;
mod page;
mod rate;

pub use page::page;

use callbox::text::safe;

/// Returns text that is only text, in an element and in a quoted attribute.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in safe(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
