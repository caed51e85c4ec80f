//! Whole-system tests through public interfaces, against real parts.
