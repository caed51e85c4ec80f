package tollwire

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

const (
	testURL   = "https://pay.example"
	testPayer = "0x857b06519e91e3a54538791bdbb0e22373e36b66"
)

// issuer is a key that signs tokens.
type issuer struct {
	kid     string
	key     ed25519.PrivateKey
	jwks    []byte
	counter int
}

func newIssuer(t testing.TB, kid string) *issuer {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	x := base64.RawURLEncoding.EncodeToString(public)
	jwks := fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"%s","kid":"%s"}]}`, x, kid)
	return &issuer{kid: kid, key: private, jwks: []byte(jwks)}
}

func (i *issuer) stream(feed string, fence int) string {
	i.counter++
	now := time.Now().Unix()
	return i.sign("stream", map[string]any{
		"aud": feed, "feed": feed, "stream": fmt.Sprintf("stream-%010d", i.counter), "fence": fence, "iat": now, "exp": now + 60,
	})
}

func (i *issuer) session(feed string) string {
	now := time.Now().Unix()
	return i.sign("session", sessionClaimsOf(feed, now))
}

// bound is a session token that is bound to the holder's key.
func (i *issuer) bound(feed string, holder *holder) string {
	claims := sessionClaimsOf(feed, time.Now().Unix())
	claims["cnf"] = map[string]string{"jkt": hash(holder.jwk)}
	return i.sign("session", claims)
}

func sessionClaimsOf(feed string, now int64) map[string]any {
	return map[string]any{
		"aud": testURL, "feed": feed, "deposited": "$10.00", "streams_remaining": 10, "unit": "stream",
		"network": "eip155:8453", "chain": "base", "iat": now, "nbf": now, "exp": now + 60, "gen": 0,
	}
}

// holder is an agent's key for proofs.
type holder struct {
	key ed25519.PrivateKey
	jwk string
}

func newHolder(t testing.TB) *holder {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	x := base64.RawURLEncoding.EncodeToString(public)
	return &holder{private, fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":"%s"}`, x)}
}

// prove is a proof for a GET of url with this token.
func (h *holder) prove(url, token, jti string) string {
	claims := fmt.Sprintf(`{"jti":"%s","htm":"GET","htu":"%s","iat":%d,"ath":"%s"}`, jti, url, time.Now().Unix(), hash(token))
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"typ":"dpop+jwt","alg":"EdDSA","jwk":`+h.jwk+"}")) + "." + encode([]byte(claims))
	return signed + "." + encode(ed25519.Sign(h.key, []byte(signed)))
}

func (i *issuer) sign(kind string, claims map[string]any) string {
	claims["iss"], claims["sub"], claims["jti"] = testURL, testPayer, "7d444840-9dc0-4acd-b245-5ffdce74fad2"
	encode := func(value any) string {
		text, _ := json.Marshal(value)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	signed := encode(map[string]string{"alg": "EdDSA", "typ": "tollwire-" + kind + "+jwt", "kid": i.kid}) + "." + encode(claims)
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(i.key, []byte(signed)))
}

// scripted is a server whose answer changes, and which remembers what it was asked.
type scripted struct {
	*httptest.Server
	mu     sync.Mutex
	asked  *sync.Cond
	status int
	header http.Header
	body   string
	seen   []*http.Request
}

func newScripted(t testing.TB, status int, body string) *scripted {
	s := &scripted{status: status, body: body}
	s.asked = sync.NewCond(&s.mu)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen = append(s.seen, r)
		s.asked.Broadcast()
		for name, values := range s.header {
			w.Header()[name] = values
		}
		w.WriteHeader(s.status)
		_, _ = w.Write([]byte(s.body))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *scripted) answers(status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.body = status, body
}

func (s *scripted) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// askedAgain waits until it has been asked this often from now on.
func (s *scripted) askedAgain(times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for goal := len(s.seen) + times; len(s.seen) < goal; {
		s.asked.Wait()
	}
}

func wantRefusal(t testing.TB, err error, reason Reason) {
	t.Helper()
	if !errors.Is(err, &VerifyError{Reason: reason}) {
		t.Fatalf("expected %s, got %v", reason, err)
	}
}

func wantSetup(t testing.TB, err error, reason SetupReason) {
	t.Helper()
	var setup *SetupError
	if !errors.As(err, &setup) || setup.Reason != reason {
		t.Fatalf("expected %s, got %v", reason, err)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
