package tollwire

import (
	"encoding/base64"
	"strings"
)

// TokenBytesMax is the longest token that is read, in bytes.
const TokenBytesMax = 4096

// Header members that bring their own key, or another way to read the payload. None of our tokens has one.
var refusedMembers = []string{"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"}

var strictBase64 = base64.RawURLEncoding.Strict()

// compact is a token's parts, decoded, before its signature means anything.
type compact struct {
	signed             string
	payload, signature []byte
	algorithm, kid     string
	typ                any
}

// openToken is the payload of a token of this type, signed by a key of the set. The form is read strictly and before any
// key is chosen; the algorithm is the key's, never the token's.
func openToken(token string, keys keySet, typ string) (map[string]any, error) {
	parts, err := parseCompact(token)
	if err != nil {
		return nil, err
	}
	key, known := keys[parts.kid]
	switch {
	case !known:
		return nil, refuse(UnknownKey)
	case key.algorithm != parts.algorithm:
		return nil, refuse(Algorithm)
	case !key.verify([]byte(parts.signed), parts.signature):
		return nil, refuse(Signature)
	case parts.typ != typ:
		return nil, refuse(Type)
	}
	payload, err := readObject(parts.payload)
	if err != nil {
		return nil, refuse(Malformed)
	}
	return payload, nil
}

func parseCompact(token string) (*compact, error) {
	segments := strings.Split(token, ".")
	if len(token) > TokenBytesMax || len(segments) != 3 {
		return nil, refuse(Malformed)
	}
	head, ok := decodeBase64(segments[0])
	if !ok {
		return nil, refuse(Malformed)
	}
	header, err := readObject(head)
	payload, payloadOK := decodeBase64(segments[1])
	signature, signatureOK := decodeBase64(segments[2])
	if err != nil || !payloadOK || !signatureOK {
		return nil, refuse(Malformed)
	}
	for _, name := range refusedMembers {
		if _, has := header[name]; has {
			return nil, refuse(Header)
		}
	}
	algorithm, _ := header["alg"].(string)
	if algorithm != edDSA && algorithm != es256 {
		return nil, refuse(Algorithm)
	}
	kid, ok := header["kid"].(string)
	if !ok {
		return nil, refuse(UnknownKey)
	}
	signed := token[:len(segments[0])+1+len(segments[1])]
	return &compact{signed, payload, signature, algorithm, kid, header["typ"]}, nil
}

// decodeBase64 takes base64url without padding and without stray bits, so that no two texts are one token.
func decodeBase64(text string) ([]byte, bool) {
	if strings.ContainsAny(text, "\r\n") { // which encoding/base64 skips
		return nil, false
	}
	data, err := strictBase64.DecodeString(text)
	return data, err == nil
}
