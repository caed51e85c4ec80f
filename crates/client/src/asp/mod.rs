//! Sessions between agents.

mod download;

pub use download::{Download, download};
