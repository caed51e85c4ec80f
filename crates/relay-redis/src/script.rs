//! The scripts.

use std::sync::LazyLock;
use tollwire_redis::redis::{Cmd, Pipeline, Script, cmd};

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!($file)));)*

        /// Loads every script, for a server that does not know them (new, restarted, or after `SCRIPT FLUSH`).
        pub(crate) fn load_all() -> Pipeline {
            let mut pipeline = Pipeline::new();
            $({
                let mut load = cmd("SCRIPT");
                load.arg("LOAD").arg(include_str!($file));
                pipeline.add_command(load);
            })*
            pipeline
        }
    };
}

/// Calls a script by its hash; arguments may follow.
pub(crate) fn run(script: &Script, keys: &[String]) -> Cmd {
    let mut call = cmd("EVALSHA");
    call.arg(script.get_hash()).arg(keys.len()).arg(keys);
    call
}

/// The same with room for so many arguments, and so many bytes of them and the keys.
pub(crate) fn run_with_room(script: &Script, keys: &[String], (arguments, bytes): (usize, usize)) -> Cmd {
    const AROUND_BYTES: usize = 64;
    let mut call = Cmd::with_capacity(
        arguments.saturating_add(keys.len()).saturating_add(3),
        bytes.saturating_add(AROUND_BYTES),
    );
    call.arg("EVALSHA").arg(script.get_hash()).arg(keys.len()).arg(keys);
    call
}

scripts! {
    ASP_APPEND = "lua/asp_append.lua";
    ASP_CREATE = "lua/asp_create.lua";
    ASP_READ = "lua/asp_read.lua";
    CHANGE = "lua/change.lua";
    LOG_APPEND = "lua/log_append.lua";
    LOG_EXPIRED = "lua/log_expired.lua";
    LOG_MARK = "lua/log_mark.lua";
    LOG_READ = "lua/log_read.lua";
    LOG_TAKE = "lua/log_take.lua";
    NOTE_REPLACE = "lua/note_replace.lua";
    PUBLISH = "lua/publish.lua";
}
