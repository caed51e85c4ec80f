package tollwire

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	onlineBytesMax = 16 * 1024
	onlineTimeout  = 10 * time.Second
)

// SessionStatus is what the facilitator says about a session. What is beyond Active may be missing when it is not.
type SessionStatus struct {
	// Active is whether the session can still be used.
	Active bool   `json:"active"`
	Jti    string `json:"jti"`
	Feed   string `json:"feed"`
	// UnitsRemaining is the units neither used nor held.
	UnitsRemaining uint64 `json:"units_remaining"`
	LiveStreams    uint64 `json:"live_streams"`
	// ExpiresAt is when its tokens stop admitting (RFC 3339).
	ExpiresAt string `json:"expires_at"`
}

// OnlineCheck asks the facilitator what is left of a session: for providers that take session tokens themselves.
type OnlineCheck struct {
	url    string
	client *http.Client
}

// NewOnlineCheck asks the facilitator with this public_url.
func NewOnlineCheck(publicURL string) (*OnlineCheck, error) {
	url, err := join(publicURL, "/session")
	return &OnlineCheck{url, newClient()}, err
}

// Check asks about the session of this token. A token that the facilitator refuses (401, 403) is not active; every other
// failure is a *SetupError, and says nothing about the session.
func (o *OnlineCheck) Check(ctx context.Context, token string) (*SessionStatus, error) {
	for _, c := range []byte(token) {
		if c <= ' ' || c > '~' {
			return nil, &SetupError{Reason: BadSetting, Message: "a token is visible ASCII"}
		}
	}
	header := http.Header{"Authorization": {"Bearer " + token}}
	answer, err := get(ctx, o.client, o.url, header, onlineBytesMax, onlineTimeout)
	if err != nil {
		return nil, err
	}
	switch answer.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return &SessionStatus{}, nil
	case http.StatusOK:
	default:
		return nil, &SetupError{Reason: BadStatus, Message: fmt.Sprintf("the facilitator answered with status %d", answer.status)}
	}
	told := struct {
		SessionStatus
		Active *bool `json:"active"`
	}{}
	if err := json.Unmarshal(answer.body, &told); err != nil || told.Active == nil {
		return nil, &SetupError{Reason: BadAnswer, Message: "the facilitator's answer is not understood", Cause: err}
	}
	told.SessionStatus.Active = *told.Active
	return &told.SessionStatus, nil
}
