package tollwire

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"math/big"
	"regexp"
)

const (
	// jwksBytesMax is the longest JWK Set that is read.
	jwksBytesMax = 64 * 1024
	// keysMax is the most keys a set holds.
	keysMax         = 32
	coordinateBytes = 32

	edDSA = "EdDSA"
	es256 = "ES256"
)

var kidForm = regexp.MustCompile(`\A[A-Za-z0-9._-]{1,64}\z`)

// publicKey is a public key with its one algorithm.
type publicKey struct {
	algorithm string
	ed        ed25519.PublicKey
	ec        *ecdsa.PublicKey
}

// keySet is public keys by name; replaced whole, never changed.
type keySet map[string]publicKey

func (k publicKey) verify(signed, signature []byte) bool {
	if k.algorithm == edDSA {
		return ed25519.Verify(k.ed, signed, signature)
	}
	if len(signature) != 2*coordinateBytes {
		return false
	}
	hash := sha256.Sum256(signed)
	r := new(big.Int).SetBytes(signature[:coordinateBytes])
	s := new(big.Int).SetBytes(signature[coordinateBytes:])
	return ecdsa.Verify(k.ec, hash[:], r, s)
}

// readKeys reads a JWK Set. Keys of a kind that is not ours are skipped, as RFC 7517 asks. An unusable key of ours, one
// without a name, a name twice or a private key refuses the whole set: it was not meant to be published.
func readKeys(jwks []byte) (keySet, error) {
	if len(jwks) > jwksBytesMax {
		return nil, unusable("a JWK Set of at most 64 KiB is expected")
	}
	set, err := readObject(jwks)
	if err != nil {
		return nil, unusable("a JWK Set is a JSON object")
	}
	found, ok := set["keys"].([]any)
	if !ok {
		return nil, unusable("a JWK Set has an array of keys")
	}
	keys := keySet{}
	for _, entry := range found {
		jwk, ok := entry.(map[string]any)
		if !ok {
			return nil, unusable("a JWK is a JSON object")
		}
		kid, key, err := readKey(jwk)
		if err != nil {
			return nil, err
		}
		if key == nil {
			continue
		}
		if _, twice := keys[kid]; twice {
			return nil, unusable("each key of a JWK Set has its own kid")
		}
		if len(keys) >= keysMax {
			return nil, unusable("a JWK Set of at most 32 keys is expected")
		}
		keys[kid] = *key
	}
	if len(keys) == 0 {
		return nil, &SetupError{Reason: NoKeys, Message: "the key set has no Ed25519 or P-256 key for signatures"}
	}
	return keys, nil
}

// readKey reads one JWK; the key is nil if it is of a kind or for a use that is not ours.
func readKey(jwk map[string]any) (string, *publicKey, error) {
	algorithm := algorithmOf(jwk)
	if algorithm == "" {
		return "", nil, nil
	}
	if _, private := jwk["d"]; private {
		return "", nil, unusable("a JWK Set holds public keys; this one has a private key")
	}
	if !forUs(jwk, algorithm) {
		return "", nil, nil
	}
	kid, _ := jwk["kid"].(string)
	if !kidForm.MatchString(kid) {
		return "", nil, unusable("a kid of 1 to 64 characters of A-Z, a-z, 0-9, '-', '_' or '.'")
	}
	key, err := importKey(jwk, algorithm)
	return kid, key, err
}

// algorithmOf is the algorithm of a key that is of one of our kinds; else empty.
func algorithmOf(jwk map[string]any) string {
	kty, _ := jwk["kty"].(string)
	crv, _ := jwk["crv"].(string)
	switch {
	case kty == "OKP" && crv == "Ed25519":
		return edDSA
	case kty == "EC" && crv == "P-256":
		return es256
	}
	return ""
}

// forUs says whether a key is for signatures by its own algorithm, as far as it says so.
func forUs(jwk map[string]any, algorithm string) bool {
	use, hasUse := jwk["use"]
	alg, hasAlg := jwk["alg"]
	return (!hasUse || use == any("sig")) && (!hasAlg || alg == any(algorithm))
}

func importKey(jwk map[string]any, algorithm string) (*publicKey, error) {
	x, err := coordinate(jwk, "x")
	if err != nil {
		return nil, err
	}
	if algorithm == edDSA {
		return &publicKey{algorithm: edDSA, ed: x}, nil
	}
	y, err := coordinate(jwk, "y")
	if err != nil {
		return nil, err
	}
	ec := &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
	if !ec.Curve.IsOnCurve(ec.X, ec.Y) {
		return nil, unusable("a coordinate is not one of a key")
	}
	return &publicKey{algorithm: es256, ec: ec}, nil
}

func coordinate(jwk map[string]any, name string) ([]byte, error) {
	text, _ := jwk[name].(string)
	data, ok := decodeBase64(text)
	if !ok || len(data) != coordinateBytes {
		return nil, unusable("a coordinate of 32 bytes in unpadded base64url is expected")
	}
	return data, nil
}

func unusable(expected string) error {
	return &SetupError{Reason: BadKeys, Message: "the key set cannot be used: " + expected}
}
