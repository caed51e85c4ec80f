package tollwire

import (
	"net/http"
	"strings"
)

// credentials are a request's token, and whether it came as Authorization: DPoP, of a holder who proves a key.
type credentials struct {
	token string
	bound bool
}

// extractToken is the request's token, or nil. It comes as ?token=, Authorization: Bearer or Authorization: DPoP; two
// tokens anywhere are refused: which of them counts must not depend on who reads the request.
func extractToken(r *http.Request) (*credentials, error) {
	query, err := fromQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	header, err := fromHeader(r.Header)
	switch {
	case err != nil:
		return nil, err
	case query != nil && header != nil:
		return nil, refuse(Ambiguous)
	case query != nil:
		return query, nil
	}
	return header, nil
}

// extractProof is the request's DPoP proof, for a token that came as Authorization: DPoP. None is ProofRequired, two are
// ProofMalformed.
func extractProof(r *http.Request) (string, error) {
	proofs := r.Header.Values("DPoP")
	switch len(proofs) {
	case 0:
		return "", refuse(ProofRequired)
	case 1:
		return proofs[0], nil
	}
	return "", refuse(ProofMalformed)
}

// stripToken removes the token and its proof from a request, so that nothing behind or around logs or forwards them.
func stripToken(r *http.Request) {
	r.Header.Del("DPoP")
	if found, err := fromHeader(r.Header); err != nil || found != nil { // or another scheme: the provider's own
		r.Header.Del("Authorization")
	}
	r.URL.RawQuery = withoutToken(r.URL.RawQuery)
	if path, query, has := strings.Cut(r.RequestURI, "?"); has {
		if r.RequestURI = path; withoutToken(query) != "" {
			r.RequestURI += "?" + withoutToken(query)
		}
	}
	// Parsed before us, if it was.
	r.Form.Del("token")
}

func fromQuery(query string) (*credentials, error) {
	var found *credentials
	for _, pair := range strings.Split(query, "&") {
		if !isToken(pair) {
			continue
		}
		if found != nil {
			return nil, refuse(Ambiguous)
		}
		_, value, _ := strings.Cut(pair, "=")
		found = &credentials{token: value}
	}
	return found, nil
}

func fromHeader(header http.Header) (*credentials, error) {
	values := header.Values("Authorization")
	if len(values) > 1 {
		return nil, refuse(Ambiguous)
	}
	if len(values) == 0 {
		return nil, nil
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	bound := strings.EqualFold(scheme, "DPoP")
	if !bound && !strings.EqualFold(scheme, "Bearer") {
		return nil, nil
	}
	return &credentials{strings.Trim(token, " "), bound}, nil
}

func withoutToken(query string) string {
	var rest []string
	for _, pair := range strings.Split(query, "&") {
		if !isToken(pair) {
			rest = append(rest, pair)
		}
	}
	return strings.Join(rest, "&")
}

func isToken(pair string) bool {
	name, _, _ := strings.Cut(pair, "=")
	return name == "token"
}
