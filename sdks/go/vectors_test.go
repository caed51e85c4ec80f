package tollwire

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sort"
	"testing"
	"time"
)

// The vectors that every language must read the same way.
type vectorFile struct {
	Issuer     string
	Audience   string
	LeewaySecs int64 `json:"leeway_secs"`
	JWKS       json.RawMessage
	Vectors    []vector
	KeySets    []struct {
		Name, JWKS, Expect string
		Kids               []string
	} `json:"key_sets"`
	Proofs []struct {
		requestVector
		Token, JKT, By, JTI *string
	}
	Bound []struct {
		requestVector
		Feed, Token string
		Status      int
	}
}

// requestVector is a request with a proof, as the server knows it.
type requestVector struct {
	Name, Method, URL, Proof, Expect string
	Now                              int64
}

type vector struct {
	Name, Verify, Feed, Token, Expect string
	Now                               int64
	Status                            int
	Claims                            *struct {
		Sub, Jti, Feed string
		Exp            int64
		Cnf            any
	}
}

// outcome is what became of a token: a result and a status, and who may open what until when, if it was accepted.
type outcome struct {
	result         string
	status         int
	sub, jti, feed string
	exp            int64
}

func readVectors(t testing.TB) *vectorFile {
	path := os.Getenv("VECTORS")
	if path == "" {
		path = "../../tests/vectors/tokens.json"
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file := &vectorFile{}
	if err := json.Unmarshal(text, file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestVectors(t *testing.T) {
	file := readVectors(t)
	if len(file.Vectors) < 370 || len(file.KeySets) < 40 || len(file.Proofs) < 140 || len(file.Bound) < 8 {
		t.Fatal("vectors are missing")
	}
	found := 0
	compare := func(name string, expected, got any) {
		if !reflect.DeepEqual(expected, got) {
			found++
			t.Errorf("go disagrees: %s: expected %v, got %v", name, expected, got)
		}
	}
	keys, err := readKeys(file.JWKS)
	if err != nil {
		t.Fatal(err)
	}
	alone := &tokens{issuer: file.Issuer, audience: file.Audience, leewaySecs: file.LeewaySecs}
	alone.keys.Store(&keys)
	for _, vector := range file.Vectors {
		expected := vector.expected()
		compare(vector.Name, expected, vector.alone(alone))
		if vector.Claims != nil && vector.Claims.Cnf != nil {
			// Alone, what is bound to a key is refused.
			expected = outcome{result: "proof_required", status: 401}
		}
		compare(vector.Name+" (VerifySessionToken)", expected, vector.whole(t, file))
	}
	for _, set := range file.KeySets {
		sort.Strings(set.Kids)
		compare(set.Name, append([]string{set.Expect}, set.Kids...), keySetOutcome(set.JWKS))
	}
	for _, vector := range file.Proofs {
		expected := []string{vector.Expect}
		if vector.By != nil {
			expected = append(expected, *vector.By, *vector.JTI)
		}
		compare(vector.Name, expected, vector.proven(vector.Token, vector.JKT))
	}
	for _, vector := range file.Bound {
		verifier := file.verifier(t, "session", vector.Now)
		_, err := verifier.VerifyBound(vector.Token, vector.Feed, vector.Proof, vector.Method, vector.URL)
		got := outcome{result: "ok", status: 101}
		if err != nil {
			got = refusalOutcome(err)
		}
		compare(vector.Name, outcome{result: vector.Expect, status: vector.Status}, got)
	}
	fmt.Printf("go: %d tokens, %d key sets, %d proofs, %d bound, %d disagreements\n",
		len(file.Vectors), len(file.KeySets), len(file.Proofs), len(file.Bound), found)
}

func (v *vector) expected() outcome {
	if v.Claims == nil {
		return outcome{result: v.Expect, status: v.Status}
	}
	return outcome{"ok", 101, v.Claims.Sub, v.Claims.Jti, v.Claims.Feed, v.Claims.Exp}
}

func (v *vector) alone(tokens *tokens) outcome {
	var claims sharedClaims
	var err error
	if v.Verify == "session" {
		var session *sessionClaims
		if session, err = tokens.session(v.Token, v.Feed, v.Now); err == nil {
			claims = session.sharedClaims
		}
	} else {
		var stream *streamClaims
		if stream, err = tokens.stream(v.Token, v.Feed, v.Now); err == nil {
			claims = stream.sharedClaims
		}
	}
	if err != nil {
		return refusalOutcome(err)
	}
	return outcome{"ok", 101, claims.sub, claims.jti, claims.feed, claims.exp}
}

func (f *vectorFile) verifier(t *testing.T, verify string, now int64) *Verifier {
	options := Options{Issuer: f.Issuer, Leeway: time.Duration(f.LeewaySecs) * time.Second}
	options.Clock = func() time.Time { return time.Unix(now, 0) }
	if verify == "session" {
		options.Accept = SessionTokens
	}
	verifier, err := New(f.Audience, f.JWKS, options)
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

func (v *requestVector) proven(token, jkt *string) []string {
	proof, err := verifyProof(v.Proof, asked{v.Method, v.URL, token}, v.Now)
	switch {
	case err != nil:
		return []string{refusalOutcome(err).result}
	case jkt != nil && proof.jkt != *jkt:
		return []string{string(ProofBinding)}
	}
	return []string{"ok", proof.jkt, proof.jti}
}

func (v *vector) whole(t *testing.T, file *vectorFile) outcome {
	context, err := file.verifier(t, v.Verify, v.Now).VerifySessionToken(v.Token, v.Feed)
	if err != nil {
		return refusalOutcome(err)
	}
	return outcome{"ok", 101, context.Payer, context.Session, context.Feed, context.ExpiresAt.Unix()}
}

func refusalOutcome(err error) outcome {
	var refusal *VerifyError
	if !errors.As(err, &refusal) {
		return outcome{result: err.Error()}
	}
	return outcome{result: string(refusal.Reason), status: refusal.Status()}
}

func keySetOutcome(jwks string) []string {
	keys, err := readKeys([]byte(jwks))
	var setup *SetupError
	if errors.As(err, &setup) {
		return []string{string(setup.Reason)}
	}
	kids := []string{}
	for kid := range keys {
		kids = append(kids, kid)
	}
	sort.Strings(kids)
	return append([]string{"ok"}, kids...)
}
