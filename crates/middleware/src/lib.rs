//! Provider SDK: verify_session_token(token, feed_id) and a tower layer for the pre-auth route.
