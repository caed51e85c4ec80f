//! Gated WebSocket upgrade and metered stream: session, ledger and wire.
