//! Benchmarks against nginx, HAProxy and a plain tungstenite proxy.
