#![doc = include_str!("../README.md")]

pub mod handshake;
pub mod settings;
pub mod ticks;
