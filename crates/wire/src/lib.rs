//! WebSocket data paths: frame scanner, byte pump, transports, limits, drain.
