//! The scripts, each with the prelude before it.

use std::sync::LazyLock;
use tollwire_redis::redis::{Cmd, Pipeline, Script, ToRedisArgs, cmd};

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(pub(crate) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!(include_str!("lua/prelude.lua"), include_str!($file))));)*

        /// Loads every script, for a server that does not know them (new, restarted, or after `SCRIPT FLUSH`).
        pub(crate) fn load_all() -> Pipeline {
            let mut pipeline = Pipeline::new();
            $(pipeline.add_command(load(concat!(include_str!("lua/prelude.lua"), include_str!($file))));)*
            pipeline
        }
    };
}

scripts! {
    RECORD = "lua/record.lua";
    ATTACH = "lua/attach.lua";
    CREDIT = "lua/credit.lua";
    ABANDON = "lua/abandon.lua";
    FREEZE = "lua/freeze.lua";
    THAW = "lua/thaw.lua";
    HOLD = "lua/hold.lua";
    EXTEND = "lua/extend.lua";
    POST = "lua/post.lua";
    VOID = "lua/void.lua";
    REVERSE = "lua/reverse.lua";
    END = "lua/end.lua";
    REVOKE = "lua/revoke.lua";
    EXPIRE = "lua/expire.lua";
    CLOSE = "lua/close.lua";
    REFUND = "lua/refund.lua";
    ATTACH_REFUND = "lua/attach_refund.lua";
    SETTLE_REFUND = "lua/settle_refund.lua";
    HAND_OVER = "lua/hand_over.lua";
    GATHER = "lua/gather.lua";
    SEAL = "lua/seal.lua";
    ATTACH_PAYOUT = "lua/attach_payout.lua";
    SETTLE_PAYOUT = "lua/settle_payout.lua";
    ONCE = "lua/once.lua";
    SPEND = "lua/spend.lua";
    LEASE = "lua/lease.lua";
    RELEASE = "lua/release.lua";
}

fn load(code: &str) -> Cmd {
    let mut load = cmd("SCRIPT");
    load.arg("LOAD").arg(code);
    load
}

/// Calls a script by its hash.
pub(crate) fn call(script: &Script, keys: &[String], now: &str) -> Call {
    let mut call = cmd("EVALSHA");
    call.arg(script.get_hash()).arg(keys.len()).arg(keys).arg(now);
    Call(call)
}

/// A script call that still takes arguments.
pub(crate) struct Call(Cmd);

impl Call {
    pub(crate) fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        self.0.arg(argument);
        self
    }

    pub(crate) fn done(self) -> Cmd {
        self.0
    }
}
