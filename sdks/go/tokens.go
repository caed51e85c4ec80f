package tollwire

import "sync/atomic"

const (
	sessionType = "tollwire-session+jwt"
	streamType  = "tollwire-stream+jwt"
)

// tokens verifies tokens of one issuer. The checks run in this order: form, header, key, signature, typ, iss, aud, the
// claims' form (all 401), then nbf, iat, exp, feed (403). now is in Unix seconds.
type tokens struct {
	keys       atomic.Pointer[keySet]
	issuer     string
	audience   string
	leewaySecs int64
}

// session verifies a session token that must admit to this feed. That it may be bound to a key is for the caller to see
// to.
func (t *tokens) session(token, feed string, now int64) (*sessionClaims, error) {
	payload, err := t.read(token, sessionType, t.audience)
	if err != nil {
		return nil, err
	}
	claims, err := readSession(payload)
	if err != nil {
		return nil, err
	}
	return claims, t.check(claims.sharedClaims, claims.nbf, feed, now)
}

// stream verifies a stream token for this feed. That it is used once is for the caller to see to.
func (t *tokens) stream(token, feed string, now int64) (*streamClaims, error) {
	payload, err := t.read(token, streamType, feed)
	if err != nil {
		return nil, err
	}
	claims, err := readStream(payload)
	if err != nil {
		return nil, err
	}
	return claims, t.check(claims.sharedClaims, claims.iat, feed, now)
}

func (t *tokens) read(token, typ, audience string) (map[string]any, error) {
	payload, err := openToken(token, *t.keys.Load(), typ)
	switch {
	case err != nil:
		return nil, err
	case payload["iss"] != any(t.issuer):
		return nil, refuse(Issuer)
	case payload["aud"] != any(audience):
		return nil, refuse(Audience)
	}
	return payload, nil
}

func (t *tokens) check(claims sharedClaims, nbf int64, feed string, now int64) error {
	latest := now + t.leewaySecs
	switch {
	case nbf > latest || claims.iat > latest:
		return refuse(NotYetValid)
	case now >= claims.exp+t.leewaySecs:
		return refuse(Expired)
	case claims.feed != feed:
		return refuse(WrongFeed)
	}
	return nil
}
