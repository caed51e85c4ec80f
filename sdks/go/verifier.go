package tollwire

import (
	"context"
	"io"
	"log"
	"os"
	"sync/atomic"
	"time"
)

// Accept is which tokens a provider takes.
type Accept int

const (
	// StreamTokens are those of the proxy in front of the provider, each once. The default.
	StreamTokens Accept = iota
	// SessionTokens are the agents' own. They prove who paid and for what, not how much is left.
	SessionTokens
)

// Options of a verifier. The zero value of each is its default.
type Options struct {
	// Accept says which tokens to take.
	Accept Accept
	// Issuer is the facilitator's [token] issuer, where it is not its public_url.
	Issuer string
	// Leeway is how far clocks may differ: 30 s by default, 60 s at most; negative for none.
	Leeway time.Duration
	// OpeningsMax is how many openings are remembered in each of two turns of two minutes, and how many DPoP proofs in
	// turns of one; beyond that, streams are refused with 503. 262,144 by default.
	OpeningsMax int
	// Clock gives the time; time.Now by default.
	Clock func() time.Time
	// Logf takes warnings; log.Printf by default.
	Logf func(format string, args ...any)

	// JWKSURL is, to Connect, where the keys are, if not at {publicURL}/.well-known/jwks.json.
	JWKSURL string
	// RefreshEvery is how often they are fetched: 5 minutes by default, at least 100 ms. An unknown key hastens it.
	RefreshEvery time.Duration
	// Patience is how long the first fetch may take, with its repetitions: 30 s by default; negative for one attempt.
	Patience time.Duration
}

// Verifier verifies tokens of one facilitator: offline, by the keys at hand, from any goroutine.
type Verifier struct {
	publicURL string
	accept    Accept
	tokens    tokens
	openings  replays[opening]
	proofs    replays[proof]
	clock     func() time.Time
	nudge     chan struct{}
}

// New uses the keys of a JWK Set. publicURL is the facilitator's: aud of its session tokens.
func New(publicURL string, jwks []byte, options Options) (*Verifier, error) {
	keys, err := readKeys(jwks)
	if err != nil {
		return nil, err
	}
	return newVerifier(publicURL, keys, options.withDefaults(publicURL)), nil
}

// FromFile uses the keys of a file with a JWK Set, read once.
func FromFile(publicURL, path string, options Options) (*Verifier, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, &SetupError{Reason: BadFile, Message: "cannot read the key set", Cause: err}
	}
	defer file.Close()
	jwks, err := io.ReadAll(io.LimitReader(file, jwksBytesMax+1))
	if err != nil {
		return nil, &SetupError{Reason: BadFile, Message: "cannot read the key set", Cause: err}
	}
	return New(publicURL, jwks, options)
}

// Connect fetches the keys from the facilitator, now and, until ctx ends, again. While that fails, the known ones stay in
// use.
func Connect(ctx context.Context, publicURL string, options Options) (*Verifier, error) {
	options = options.withDefaults(publicURL)
	url, err := join(publicURL, "/.well-known/jwks.json")
	if options.JWKSURL != "" {
		url, err = join(options.JWKSURL, "")
	}
	if err != nil {
		return nil, err
	}
	source := newSource(url, options.RefreshEvery, options.Logf)
	keys, text, err := source.first(ctx, options.Patience)
	if err != nil {
		return nil, err
	}
	verifier := newVerifier(publicURL, keys, options)
	go source.keepFresh(ctx, text, verifier.nudge, func(keys keySet) { verifier.tokens.keys.Store(&keys) })
	return verifier, nil
}

func newVerifier(publicURL string, keys keySet, options Options) *Verifier {
	leeway := int64(options.Leeway / time.Second)
	verifier := &Verifier{
		publicURL: publicURL,
		accept:    options.Accept,
		tokens:    tokens{issuer: options.Issuer, audience: publicURL, leewaySecs: leeway},
		// Accepted as early as the leeway before iat, as late as the leeway after exp.
		openings: replays[opening]{periodSecs: 2*leeway + streamSecsMax, max: options.OpeningsMax},
		proofs:   replays[proof]{periodSecs: proofReplaySecs, max: options.OpeningsMax},
		clock:    options.Clock,
		nudge:    make(chan struct{}, 1),
	}
	verifier.tokens.keys.Store(&keys)
	return verifier
}

// VerifySessionToken verifies a token for a feed: who opens what, or a *VerifyError. It is a computation on keys at hand.
//
// A stream token is used up by being accepted. A session token that is bound to a key is refused with ProofRequired: alone it
// may be stolen. It is for VerifyBound.
func (v *Verifier) VerifySessionToken(token, feedID string) (*SessionContext, error) {
	verify := v.stream
	if v.accept == SessionTokens {
		verify = v.session
	}
	return v.noting(verify(token, feedID, v.clock().Unix()))
}

// VerifyBound verifies a session token that came as Authorization: DPoP: that it admits to the feed, and that the key it is
// bound to made the request's DPoP header, proof, for this very request, within a minute, and for the first time.
//
// method is the request's (a WebSocket is opened by GET). url is the one that agents open, as the provider publishes it,
// without regard to the Host header; wss and https are one, query and fragment do not matter. Which proofs were used is the
// process's own memory: a provider with several processes can see one once per process within its minute.
func (v *Verifier) VerifyBound(token, feedID, proof, method, url string) (*SessionContext, error) {
	return v.noting(v.bound(token, feedID, proof, asked{method, url, &token}, v.clock().Unix()))
}

// noting asks for newer keys if an unknown one was the reason.
func (v *Verifier) noting(context *SessionContext, err error) (*SessionContext, error) {
	if refusal, ok := err.(*VerifyError); ok && refusal.Reason == UnknownKey {
		select {
		case v.nudge <- struct{}{}:
		default: // one is enough
		}
	}
	if err != nil {
		return nil, err
	}
	return context, nil
}

func (v *Verifier) stream(token, feedID string, now int64) (*SessionContext, error) {
	claims, err := v.tokens.stream(token, feedID, now)
	if err != nil {
		return nil, err
	}
	switch first, err := v.openings.first(opening{claims.jti, claims.stream, claims.fence}, now); {
	case err != nil:
		return nil, err
	case !first:
		return nil, refuse(Replayed)
	}
	context := claims.context()
	context.Stream = &StreamGrant{Stream: claims.stream, Fence: claims.fence}
	return context, nil
}

func (v *Verifier) session(token, feedID string, now int64) (*SessionContext, error) {
	claims, err := v.tokens.session(token, feedID, now)
	if err != nil {
		return nil, err
	}
	if claims.jkt != "" {
		return nil, refuse(ProofRequired)
	}
	return claims.granted(), nil
}

func (v *Verifier) bound(token, feedID, text string, asked asked, now int64) (*SessionContext, error) {
	if v.accept == StreamTokens {
		return nil, refuse(NotBound)
	}
	claims, err := v.tokens.session(token, feedID, now)
	if err != nil {
		return nil, err
	}
	if claims.jkt == "" {
		return nil, refuse(NotBound)
	}
	proof, err := verifyProof(text, asked, now)
	if err != nil {
		return nil, err
	}
	if proof.jkt != claims.jkt {
		return nil, refuse(ProofBinding)
	}
	switch first, err := v.proofs.first(*proof, now); {
	case err != nil:
		return nil, err
	case !first:
		return nil, refuse(ProofReplayed)
	}
	return claims.granted(), nil
}

// missing is what a request without a token is told.
func (v *Verifier) missing(feedID string) error {
	if v.accept == StreamTokens {
		return refuse(Missing)
	}
	url, _ := join(v.publicURL, "/feeds/"+feedID+"/session")
	return &VerifyError{Reason: PaymentRequired, SessionURL: url}
}

func (o Options) withDefaults(publicURL string) Options {
	if o.Issuer == "" {
		o.Issuer = publicURL
	}
	o.Leeway = least(unless(o.Leeway, 30*time.Second), time.Minute)
	o.Patience = unless(o.Patience, 30*time.Second)
	if o.RefreshEvery = unless(o.RefreshEvery, 5*time.Minute); o.RefreshEvery < 100*time.Millisecond {
		o.RefreshEvery = 100 * time.Millisecond
	}
	if o.OpeningsMax == 0 {
		o.OpeningsMax = 262_144
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logf == nil {
		o.Logf = log.Printf
	}
	return o
}

// unless is the default for zero, and zero for what is negative.
func unless(value, otherwise time.Duration) time.Duration {
	switch {
	case value == 0:
		return otherwise
	case value < 0:
		return 0
	}
	return value
}

var installed atomic.Pointer[Verifier]

// Install installs the verifier that VerifySessionToken uses. Once per process.
func Install(verifier *Verifier) error {
	if !installed.CompareAndSwap(nil, verifier) {
		return &SetupError{Reason: Installed, Message: "a verifier is installed already"}
	}
	return nil
}

// VerifySessionToken verifies a token for a feed with the installed verifier.
func VerifySessionToken(token, feedID string) (*SessionContext, error) {
	verifier := installed.Load()
	if verifier == nil {
		return nil, refuse(NotInstalled)
	}
	return verifier.VerifySessionToken(token, feedID)
}
