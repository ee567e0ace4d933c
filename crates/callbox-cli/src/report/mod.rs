//! How the report of a load run is told: as text, JSON, CSV, a page, and a file that is read again.
//!
//! Pure functions from a [`Report`](callbox::load::Report) to strings; they read no clock and open no socket. Only [`files`]
//! touches the disk. What a peer had a say in is made safe here, by each form in its own way.

mod bins;
pub mod compared;
pub mod csv;
mod facts;
pub mod figures;
pub mod files;
pub mod html;
pub mod json;
#[cfg(test)]
mod samples;
pub mod saved;
pub mod text;
