//! The operator's pages in a real Chromium. Screenshots are kept in `target/page/`.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod broker;
mod desk;
mod headers;
mod looks;
mod many;
mod modules;
mod rig;
mod walk;
