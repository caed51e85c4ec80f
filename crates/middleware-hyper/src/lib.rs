//! hyper service wrapper for Tollwire session tokens.
