//! Socket options against peers that are gone without a word.
//!
//! A peer whose machine or network died sends nothing, not even an end. The kernel finds out, but only if it is told
//! to look, and by itself it waits a quarter of an hour for an acknowledgement.

use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// A connection without traffic is probed after this long.
const PROBE_AFTER: Duration = Duration::from_mins(1);

/// Then this often.
const PROBE_EVERY: Duration = Duration::from_secs(15);

/// A stream's peer that acknowledges nothing for this long, or takes no byte that waits for it, is gone. Stricter
/// limits are the pump's; this one needs no task and holds even where nobody is writing.
pub const STREAM_PEER_GONE_AFTER: Duration = Duration::from_mins(2);

/// Has the kernel probe a silent peer, and give up one that acknowledges nothing, or takes nothing that waits for it,
/// for `gone_after`. Set on a listener, its connections inherit it (on Linux).
pub fn watch_peer<S: AsFd>(socket: &S, gone_after: Duration) -> io::Result<()> {
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY);
    SockRef::from(socket).set_tcp_keepalive(&probes)?;
    give_up_after(socket, gone_after)
}

/// Changes how long a peer may acknowledge or take nothing. Where the system cannot be told, it keeps its own bound.
pub fn give_up_after<S: AsFd>(socket: &S, gone_after: Duration) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    SockRef::from(socket).set_tcp_user_timeout(Some(gone_after))?;
    #[cfg(not(target_os = "linux"))]
    let _ = (socket, gone_after);
    Ok(())
}
