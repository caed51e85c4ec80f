package tollwire

import "time"

// SessionContext is who may open what: the result of a successful verification.
type SessionContext struct {
	// Session is the session (jti).
	Session string
	// Feed is the feed it admits to.
	Feed string
	// Payer is the payer's address.
	Payer string
	// ExpiresAt is when the token stops admitting.
	ExpiresAt time.Time
	// Stream is set if a stream token was shown.
	Stream *StreamGrant
	// Grant is set if a session token was shown.
	Grant *SessionGrant
}

// StreamGrant is one opening of one stream, metered by the proxy in front of us.
type StreamGrant struct {
	// Stream is the stream.
	Stream string
	// Fence is which opening of it.
	Fence int64
}

// SessionGrant is a session. How much is left of it only the facilitator knows.
type SessionGrant struct {
	// Unit is what the units are: "stream", "second", "message" or "kib".
	Unit string
	// UnitsAtIssue is the units that were left when the token was issued.
	UnitsAtIssue int64
	// Deposited is what was paid, such as "$10.00".
	Deposited string
	// Network is where (CAIP-2).
	Network string
}

func (c *sessionClaims) granted() *SessionContext {
	context := c.context()
	context.Grant = &SessionGrant{c.unit, c.unitsAtIssue, c.deposited, c.network}
	return context
}

func (c sharedClaims) context() *SessionContext {
	return &SessionContext{Session: c.jti, Feed: c.feed, Payer: c.sub, ExpiresAt: time.Unix(c.exp, 0)}
}
