package tollwire

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
)

const (
	// proofBytesMax is the longest proof that is read. Ordinary ones have about 500.
	proofBytesMax = 4096
	// proofAgeSecsMax is how old a proof may be.
	proofAgeSecsMax = 60
	// proofAheadSecsMax is how far ahead of our clock a proof's may be.
	proofAheadSecsMax = 10
	// proofReplaySecs is how long a used proof must be remembered: the longest time from its first acceptance to its end.
	proofReplaySecs = proofAgeSecsMax + proofAheadSecsMax + 1
)

// Header members that fetch a key from elsewhere, or change how the payload is read.
var refusedProofMembers = []string{"jku", "x5u", "x5c", "crit", "b64", "zip"}

// Members of private and symmetric keys (RFC 7518 section 6, RFC 8037 section 2).
var privateMembers = []string{"d", "k", "p", "q", "dp", "dq", "qi", "oth", "priv"}

var jtiForm = regexp.MustCompile(`\A[\x20-\x7e]{1,128}\z`)

// asked is the request that a proof came with, as the server knows it. The token is nil if there was none.
type asked struct {
	method, url string
	token       *string
}

// proof is one that held: the thumbprint of the key that made it (RFC 7638), and its id.
type proof struct {
	jkt, jti string
}

// verifyProof verifies the DPoP proof (RFC 9449) that came with a request. The checks run in this order: form, header, typ,
// alg, jwk, signature, the claims' form, htm, htu, iat, ath. That it is by the right key, and used once, is for the caller to
// see to.
func verifyProof(text string, asked asked, now int64) (*proof, error) {
	jkt, payload, err := openProof(text)
	if err != nil {
		return nil, err
	}
	jti, jtiOK := payload["jti"].(string)
	htm, htmOK := payload["htm"].(string)
	htu, htuOK := payload["htu"].(string)
	iat, iatOK := payload["iat"].(int64)
	claimed, hasATH := payload["ath"]
	ath, athOK := claimed.(string)
	if !htmOK || !htuOK || !jtiOK || !jtiForm.MatchString(jti) || !iatOK || iat < 0 || iat > integerMax || hasATH && !athOK {
		return nil, refuse(ProofClaims)
	}
	url, urlOK := normalURL(htu)
	own, ownOK := normalURL(asked.url)
	switch {
	case htm != asked.method:
		return nil, refuse(ProofMethod)
	case !urlOK || !ownOK || url != own:
		return nil, refuse(ProofURL)
	case iat > now+proofAheadSecsMax:
		return nil, refuse(ProofNotYetValid)
	case iat+proofAgeSecsMax < now:
		return nil, refuse(ProofExpired)
	// Both or neither: a proof made for a token says nothing about a request without it.
	case hasATH != (asked.token != nil) || hasATH && ath != hash(*asked.token):
		return nil, refuse(ProofToken)
	}
	return &proof{jkt, jti}, nil
}

// openProof is the thumbprint of the proof's key, and its payload as that key signed it.
func openProof(text string) (string, map[string]any, error) {
	segments := strings.Split(text, ".")
	if len(text) > proofBytesMax || len(segments) != 3 {
		return "", nil, refuse(ProofMalformed)
	}
	head, headOK := decodeBase64(segments[0])
	payload, payloadOK := decodeBase64(segments[1])
	signature, signatureOK := decodeBase64(segments[2])
	header, err := readObject(head)
	if !headOK || !payloadOK || !signatureOK || err != nil {
		return "", nil, refuse(ProofMalformed)
	}
	key, jkt, err := proofKey(header)
	if err != nil {
		return "", nil, err
	}
	if !key.verify([]byte(text[:len(segments[0])+1+len(segments[1])]), signature) {
		return "", nil, refuse(ProofSignature)
	}
	claims, err := readObject(payload)
	if err != nil {
		return "", nil, refuse(ProofMalformed)
	}
	return jkt, claims, nil
}

// proofKey is the key in a header and its thumbprint, if the header is that of a proof in one of our algorithms.
func proofKey(header map[string]any) (*publicKey, string, error) {
	algorithm, _ := header["alg"].(string)
	jwk, ok := header["jwk"].(map[string]any)
	switch {
	case hasAny(header, refusedProofMembers):
		return nil, "", refuse(ProofHeader)
	case header["typ"] != "dpop+jwt":
		return nil, "", refuse(ProofType)
	case algorithm != edDSA && algorithm != es256:
		return nil, "", refuse(ProofAlgorithm)
	case !ok || hasAny(jwk, privateMembers):
		return nil, "", refuse(ProofKey)
	}
	kind := algorithmOf(jwk)
	if kind == "" || !forUs(jwk, kind) {
		return nil, "", refuse(ProofKey)
	}
	key, err := importKey(jwk, kind)
	switch {
	case err != nil:
		return nil, "", refuse(ProofKey)
	case kind != algorithm:
		return nil, "", refuse(ProofAlgorithm)
	}
	// Coordinates are base64url here: nothing in them is to be escaped.
	if kind == edDSA {
		return key, hash(`{"crv":"Ed25519","kty":"OKP","x":"` + jwk["x"].(string) + `"}`), nil
	}
	return key, hash(`{"crv":"P-256","kty":"EC","x":"` + jwk["x"].(string) + `","y":"` + jwk["y"].(string) + `"}`), nil
}

func hasAny(object map[string]any, names []string) bool {
	for _, name := range names {
		if _, has := object[name]; has {
			return true
		}
	}
	return false
}

// hash is base64url of the SHA-256 of a text.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
