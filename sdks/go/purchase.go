package tollwire

import "encoding/json"

// Purchase is a session that an agent bought through the provider's route. It has no token: that is the agent's.
type Purchase struct {
	// Session is the session.
	Session string
	// Feed is the feed.
	Feed string
	// Unit is what its units are.
	Unit string
	// UnitsRemaining is the units left at the time of the answer.
	UnitsRemaining uint64
	// Deposited is what was paid, such as "$10.00".
	Deposited string
	// Chain is where, such as "base".
	Chain string
	// ExpiresAt is when its token stops admitting (RFC 3339).
	ExpiresAt string
	// Wallet is the provider's, as the route was given it.
	Wallet string
}

// readPurchase reads the facilitator's 200; nil if it is not one that sells a session.
func readPurchase(body []byte, wallet string) *Purchase {
	var told struct {
		ExpiresAt *string `json:"expires_at"`
		Session   *struct {
			Jti, Feed, Unit, Deposited, Chain *string
			UnitsRemaining                    *uint64 `json:"units_remaining"`
		}
	}
	if json.Unmarshal(body, &told) != nil || told.ExpiresAt == nil || told.Session == nil {
		return nil
	}
	s := told.Session
	for _, text := range []*string{s.Jti, s.Feed, s.Unit, s.Deposited, s.Chain} {
		if text == nil {
			return nil
		}
	}
	if s.UnitsRemaining == nil {
		return nil
	}
	return &Purchase{*s.Jti, *s.Feed, *s.Unit, *s.UnitsRemaining, *s.Deposited, *s.Chain, *told.ExpiresAt, wallet}
}
