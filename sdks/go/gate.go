package tollwire

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

type contextKey struct{}

// SessionFrom is who opened a request that a gate has admitted, or nil.
func SessionFrom(ctx context.Context) *SessionContext {
	session, _ := ctx.Value(contextKey{}).(*SessionContext)
	return session
}

// Gate admits requests to one feed.
type Gate struct {
	verifier *Verifier
	feed     string
	url      string
}

// NewGate is a gate for this feed; a *SetupError if that is no feed's name.
func NewGate(verifier *Verifier, feed string) (*Gate, error) {
	if err := checkFeedID(feed); err != nil {
		return nil, err
	}
	return &Gate{verifier: verifier, feed: feed}, nil
}

// At is the same gate, which also takes session tokens that are bound to a key, with their DPoP proofs. url is the one that
// agents open, as it is published (https or wss): proofs are made for it. Without it, such a token is refused with
// ProofRequired.
func (g *Gate) At(url string) *Gate {
	return &Gate{g.verifier, g.feed, url}
}

// Admit admits a request, or says why not by a *VerifyError. On success the token is gone from the request, and the answer
// is the same request with its session in the context (SessionFrom).
func (g *Gate) Admit(r *http.Request) (*http.Request, error) {
	if before := SessionFrom(r.Context()); before != nil && before.Feed == g.feed {
		return r, nil
	}
	found, err := extractToken(r)
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		return nil, g.verifier.missing(g.feed)
	}
	session, err := g.verify(r, found)
	if err != nil {
		return nil, err
	}
	stripToken(r)
	return r.WithContext(context.WithValue(r.Context(), contextKey{}, session)), nil
}

func (g *Gate) verify(r *http.Request, found *credentials) (*SessionContext, error) {
	if !found.bound {
		return g.verifier.VerifySessionToken(found.token, g.feed)
	}
	proof, err := extractProof(r)
	switch {
	case err != nil:
		return nil, err
	case g.url == "":
		return nil, refuse(ProofRequired)
	}
	return g.verifier.VerifyBound(found.token, g.feed, proof, r.Method, g.url)
}

// Require is middleware: what is not admitted is answered, and never reaches next. It gates WebSocket upgrades and other
// requests alike.
func (g *Gate) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		admitted, err := g.Admit(r)
		if err != nil {
			WriteRefusal(w, err)
			return
		}
		next.ServeHTTP(w, admitted)
	})
}

// WriteRefusal answers a *VerifyError as application/problem+json (RFC 9457), with what headers its status calls for.
func WriteRefusal(w http.ResponseWriter, err error) {
	var refusal *VerifyError
	if !errors.As(err, &refusal) {
		writeProblem(w, http.StatusInternalServerError, "internal", "The request cannot be verified.")
		return
	}
	header := w.Header()
	switch {
	case refusal.Reason == PaymentRequired:
		header.Set("Link", "<"+refusal.SessionURL+`>; rel="payment"`)
	case refusal.Reason == Busy:
		header.Set("Retry-After", "1")
	case refusal.Reason == Missing:
		header.Set("WWW-Authenticate", "Bearer")
	case refusal.Reason == ProofRequired:
		header.Set("WWW-Authenticate", `DPoP error="invalid_token", algs="EdDSA ES256"`)
	case strings.HasPrefix(string(refusal.Reason), "proof_"):
		header.Set("WWW-Authenticate", `DPoP error="invalid_dpop_proof", algs="EdDSA ES256"`)
	case refusal.Status() == http.StatusUnauthorized:
		header.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	writeProblem(w, refusal.Status(), string(refusal.Reason), refusal.detail())
}

func checkFeedID(feed string) error {
	if feedIDForm.MatchString(feed) {
		return nil
	}
	return &SetupError{Reason: BadSetting, Message: "a feed id is 1 to 64 characters of a-z, 0-9, '-', '_' or '.', starting with a letter or digit"}
}
