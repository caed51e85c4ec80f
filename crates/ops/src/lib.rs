//! For the binaries: configuration files, secrets, tracing, metrics, listeners, signals, drain.
