#![doc = include_str!("../README.md")]

mod asset;
mod files;
mod headers;
mod service;

pub use files::Page;
pub use service::WithPage;
