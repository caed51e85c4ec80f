package tollwire

import (
	"regexp"
	"strconv"
	"strings"
)

const (
	// sessionSecsMax is the longest a session token is valid: 31 days.
	sessionSecsMax = 31 * 24 * 60 * 60
	// streamSecsMax is the longest a stream token is valid.
	streamSecsMax = 60
	// integerMax keeps integers exact in every language.
	integerMax = 1<<53 - 1
)

var (
	addressForm   = regexp.MustCompile(`\A[\x21-\x7e]{1,128}\z`)
	sessionIDForm = regexp.MustCompile(`\A[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\z`)
	streamIDForm  = regexp.MustCompile(`\A[A-Za-z0-9_-]{16,64}\z`)
	feedIDForm    = regexp.MustCompile(`\A[a-z0-9][a-z0-9._-]{0,63}\z`)
	dollarsForm   = regexp.MustCompile(`\A\$(0|[1-9][0-9]{0,9})\.([0-9]{2}(?:[0-9]{0,3}[1-9])?)\z`)
	unitForm      = regexp.MustCompile(`\A(?:stream|second|message|kib)\z`)
	eip155Form    = regexp.MustCompile(`\Aeip155:([1-9][0-9]{0,19})\z`)
	chainForm     = regexp.MustCompile(`\A[a-z0-9-]{1,32}\z`)
	hashForm      = regexp.MustCompile(`\A[A-Za-z0-9_-]{43}\z`)
)

var solanaNetworks = map[string]bool{
	"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp": true,
	"solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1": true,
	"solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z": true,
}

// sharedClaims are those of both kinds of token. Times are Unix seconds.
type sharedClaims struct {
	sub, jti, feed string
	iat, exp       int64
}

type sessionClaims struct {
	sharedClaims
	nbf          int64
	deposited    string
	unitsAtIssue int64
	unit         string
	network      string
	// jkt is the thumbprint of the key the token is bound to (RFC 9449); empty if it is not.
	jkt string
}

type streamClaims struct {
	sharedClaims
	stream string
	fence  int64
}

// claimReader gives the members of a verified payload; the first that is missing or ill-formed makes it bad.
type claimReader struct {
	payload map[string]any
	bad     bool
}

func readSession(payload map[string]any) (*sessionClaims, error) {
	r := &claimReader{payload: payload}
	claims := &sessionClaims{
		sharedClaims: r.shared(sessionSecsMax),
		nbf:          r.integer("nbf"),
		deposited:    r.deposited(),
		unitsAtIssue: r.integer("streams_remaining"),
		unit:         r.text("unit", unitForm),
		network:      r.network(),
		jkt:          r.thumbprint(),
	}
	r.text("chain", chainForm)
	r.integer("gen")
	if r.bad || claims.nbf >= claims.exp {
		return nil, refuse(Claims)
	}
	return claims, nil
}

func readStream(payload map[string]any) (*streamClaims, error) {
	r := &claimReader{payload: payload}
	claims := &streamClaims{
		sharedClaims: r.shared(streamSecsMax),
		stream:       r.text("stream", streamIDForm),
		fence:        r.integer("fence"),
	}
	if r.bad {
		return nil, refuse(Claims)
	}
	return claims, nil
}

func (r *claimReader) shared(secsMax int64) sharedClaims {
	claims := sharedClaims{
		sub:  r.text("sub", addressForm),
		jti:  r.text("jti", sessionIDForm),
		feed: r.text("feed", feedIDForm),
		iat:  r.integer("iat"),
		exp:  r.integer("exp"),
	}
	r.bad = r.bad || claims.exp <= claims.iat || claims.exp-claims.iat > secsMax
	return claims
}

func (r *claimReader) text(name string, form *regexp.Regexp) string {
	value, ok := r.payload[name].(string)
	r.bad = r.bad || !ok || !form.MatchString(value)
	return value
}

func (r *claimReader) integer(name string) int64 {
	value, ok := r.payload[name].(int64)
	r.bad = r.bad || !ok || value < 0 || value > integerMax
	return value
}

// deposited is dollars with two to six decimals, below 2^53 atomic units.
func (r *claimReader) deposited() string {
	value := r.text("deposited", dollarsForm)
	if parts := dollarsForm.FindStringSubmatch(value); parts != nil {
		fraction := parts[2] + strings.Repeat("0", 6-len(parts[2]))
		atomic, err := strconv.ParseUint(parts[1]+fraction, 10, 64)
		r.bad = r.bad || err != nil || atomic > integerMax
	}
	return value
}

func (r *claimReader) network() string {
	value, _ := r.payload["network"].(string)
	known := solanaNetworks[value]
	if parts := eip155Form.FindStringSubmatch(value); parts != nil {
		_, err := strconv.ParseUint(parts[1], 10, 64)
		known = err == nil
	}
	r.bad = r.bad || !known
	return value
}

// thumbprint is cnf.jkt. A binding of any other kind is refused: nobody here could enforce it.
func (r *claimReader) thumbprint() string {
	confirmation, bound := r.payload["cnf"]
	if !bound {
		return ""
	}
	members, _ := confirmation.(map[string]any)
	inner := &claimReader{payload: members}
	jkt := inner.text("jkt", hashForm)
	r.bad = r.bad || inner.bad || len(members) != 1
	return jkt
}
