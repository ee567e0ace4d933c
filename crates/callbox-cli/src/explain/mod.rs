//! What TCP did, in a sentence or two for somebody who has just read the tutorial: at the end of each session, and where
//! connecting or binding failed.
//!
//! Nothing is said that was not measured: where the kernel tells nothing, as of Unix sockets, only what was seen is said.

pub mod failure;
mod holder;
pub mod session;
mod table;

use crate::lang::{Both, Lang};

/// Joins sentences; Chinese puts no space between them.
fn paragraph(sentences: &[Both], lang: Lang) -> String {
    let texts: Vec<&str> = sentences.iter().map(|sentence| sentence.text(lang)).collect();
    texts.join(match lang {
        Lang::En => " ",
        Lang::Zh => "",
    })
}

/// The English plural.
fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}
