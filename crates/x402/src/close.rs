//! WebSocket close codes of the product, in one table (RFC 6455 section 7.4, and our own 4000s).

/// A close code we send, with the text that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCode {
    /// 1000: done.
    Normal,
    /// 1000: the session was ended by its payer or an operator.
    SessionClosed,
    /// 1001: this server is draining; connect again.
    GoingAway,
    /// 1002: the peer broke the WebSocket protocol.
    ProtocolError,
    /// 1003: a kind of data we do not take.
    UnsupportedData,
    /// 1007: text that is not UTF-8.
    InvalidPayload,
    /// 1008: policy.
    PolicyViolation,
    /// 1009: a message or frame over the limit.
    TooBig,
    /// 1011: our fault.
    Internal,
    /// 1013: overloaded; try later.
    TryAgainLater,
    /// 4001: authentication failed, or the session was revoked or expired.
    Unauthorized,
    /// 4003: not allowed.
    Forbidden,
    /// 4004: no such session.
    SessionNotFound,
    /// 4008: the session's balance is exhausted; pay again (paper, section 5.6).
    Exhausted,
    /// 4009: a newer connection took this one's place.
    Replaced,
    /// 4010: already connected.
    AlreadyConnected,
    /// 4012: heartbeats stopped.
    HeartbeatLost,
    /// 4013: the peer reads too slowly.
    SlowConsumer,
    /// 4029: too many requests.
    RateLimited,
}

/// What a client should do after a close, so that programs need no list of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reconnect {
    /// Not again: it would end the same way.
    No,
    /// At once, after a random pause of up to 5 s, so that not all come back together.
    Yes,
    /// After a pause of at least 5 s that grows with each failure.
    Backoff,
    /// After paying.
    AfterPayment,
}

impl Reconnect {
    /// Its name in `GET /close-codes`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::Backoff => "backoff",
            Self::AfterPayment => "after-payment",
        }
    }
}

impl CloseCode {
    /// All of them, by number.
    pub const ALL: [Self; 19] = [
        Self::Normal,
        Self::SessionClosed,
        Self::GoingAway,
        Self::ProtocolError,
        Self::UnsupportedData,
        Self::InvalidPayload,
        Self::PolicyViolation,
        Self::TooBig,
        Self::Internal,
        Self::TryAgainLater,
        Self::Unauthorized,
        Self::Forbidden,
        Self::SessionNotFound,
        Self::Exhausted,
        Self::Replaced,
        Self::AlreadyConnected,
        Self::HeartbeatLost,
        Self::SlowConsumer,
        Self::RateLimited,
    ];

    /// Whether a client should connect again.
    pub const fn reconnect(self) -> Reconnect {
        match self {
            Self::Normal
            | Self::SessionClosed
            | Self::ProtocolError
            | Self::UnsupportedData
            | Self::InvalidPayload
            | Self::PolicyViolation
            | Self::TooBig
            | Self::Unauthorized
            | Self::Forbidden
            | Self::SessionNotFound
            | Self::Replaced
            | Self::AlreadyConnected => Reconnect::No,
            Self::GoingAway | Self::HeartbeatLost | Self::SlowConsumer => Reconnect::Yes,
            Self::Internal | Self::TryAgainLater | Self::RateLimited => Reconnect::Backoff,
            Self::Exhausted => Reconnect::AfterPayment,
        }
    }

    /// The number on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::Normal | Self::SessionClosed => 1000,
            Self::GoingAway => 1001,
            Self::ProtocolError => 1002,
            Self::UnsupportedData => 1003,
            Self::InvalidPayload => 1007,
            Self::PolicyViolation => 1008,
            Self::TooBig => 1009,
            Self::Internal => 1011,
            Self::TryAgainLater => 1013,
            Self::Unauthorized => 4001,
            Self::Forbidden => 4003,
            Self::SessionNotFound => 4004,
            Self::Exhausted => 4008,
            Self::Replaced => 4009,
            Self::AlreadyConnected => 4010,
            Self::HeartbeatLost => 4012,
            Self::SlowConsumer => 4013,
            Self::RateLimited => 4029,
        }
    }

    /// The reason text; at most 123 bytes, the room a close frame has.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Normal => "",
            Self::SessionClosed => "Session closed.",
            Self::GoingAway => "Server is draining. Connect again.",
            Self::ProtocolError => "WebSocket protocol error.",
            Self::UnsupportedData => "Unsupported data.",
            Self::InvalidPayload => "Invalid payload.",
            Self::PolicyViolation => "Policy violation.",
            Self::TooBig => "Message too big.",
            Self::Internal => "Internal error.",
            Self::TryAgainLater => "Overloaded. Try again later.",
            Self::Unauthorized => "Session revoked or expired.",
            Self::Forbidden => "Forbidden.",
            Self::SessionNotFound => "Session not found.",
            // The paper's exact words (section 5.6); agents match on them.
            Self::Exhausted => "Session balance exhausted. Re-authorize via x402 to continue.",
            Self::Replaced => "Replaced by a newer connection.",
            Self::AlreadyConnected => "Already connected.",
            Self::HeartbeatLost => "Heartbeat lost.",
            Self::SlowConsumer => "Reading too slowly.",
            Self::RateLimited => "Rate limited.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_s_exhaustion_close() {
        assert_eq!(CloseCode::Exhausted.code(), 4008);
        assert_eq!(
            CloseCode::Exhausted.reason(),
            "Session balance exhausted. Re-authorize via x402 to continue."
        );
    }

    #[test]
    fn codes_differ_may_be_sent_and_their_reasons_fit_a_close_frame() {
        let mut codes: Vec<_> = CloseCode::ALL.iter().map(|code| (code.code(), code.reason())).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CloseCode::ALL.len());
        for code in CloseCode::ALL {
            assert!(code.reason().len() <= 123, "{code:?}");
            // RFC 6455 7.4.1: 1004 to 1006 and 1015 never stand in a frame.
            assert!(!matches!(code.code(), 1004..=1006 | 1015) && code.code() >= 1000, "{code:?}");
        }
    }
}
