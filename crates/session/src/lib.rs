//! Session tokens: claims, issue, verify, key set, JWKS, rotation.
