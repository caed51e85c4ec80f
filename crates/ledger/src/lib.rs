//! Balance metering: a pure deterministic core, the Ledger trait, an embedded durable ledger.
