//! What operators install: the Debian package and the container image, made of the binaries of this build, in a clean Debian.
//! Needs root, as installing packages and building images do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod container;
mod deb;
mod image;
mod made;
