//! The last words of a connection.

use super::Socket;
use futures_util::StreamExt as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tollwire_x402::close::CloseCode;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// We close it.
    Ours(CloseCode),
    /// We close it, and what the peer sends cannot be read as frames any more.
    Unreadable(CloseCode),
    /// The peer closed it with this code; 1005 for none.
    Theirs(u16),
    /// It broke.
    Gone,
}

impl Ending {
    /// The code it goes into the metrics with.
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Ours(code) | Self::Unreadable(code) => code.code(),
            Self::Theirs(code) => code,
            Self::Gone => 1006,
        }
    }
}

/// Says what is left to say, within `wait` for each part, and drops the connection.
///
/// Input is read to its end meanwhile: unread input would turn into a reset, which destroys a Close that is on its way.
pub(super) async fn close(mut socket: Socket, ending: Ending, wait: Duration) -> Ending {
    let said = match ending {
        Ending::Ours(code) | Ending::Unreadable(code) => {
            let frame = CloseFrame { code: code.code().into(), reason: code.reason().into() };
            matches!(timeout(wait, socket.close(Some(frame))).await, Ok(Ok(())))
        }
        Ending::Theirs(_) => true,
        Ending::Gone => false,
    };
    if !said {
        return ending;
    }
    let to_the_end = async {
        if let Ending::Unreadable(_) = ending {
            let transport = socket.get_mut();
            // On the heap: as part of this future it would be part of every connection's memory, all its life.
            let mut rest = vec![0; 4096];
            if transport.shutdown().await.is_ok() {
                while let Ok(1..) = transport.read(&mut rest).await {}
            }
        } else {
            // Reading also sends the answer to the peer's Close.
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    drop(timeout(wait, to_the_end).await);
    ending
}
