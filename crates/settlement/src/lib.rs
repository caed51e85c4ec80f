//! The Chain trait, the one settlement procedure, the reconciler, the cost model and the dev chain.
