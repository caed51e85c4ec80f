//! Sells access to WebSocket feeds over x402; also a plain x402 facilitator.

fn main() {}
