//! Example providers and agents.
