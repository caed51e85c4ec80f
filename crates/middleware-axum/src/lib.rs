//! axum extractor and rejection for Tollwire session tokens.
