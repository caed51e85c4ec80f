package tollwire

import "net/http"

// Reason is why a token is refused, by the same name in every language.
type Reason string

// The reasons. Those up to WrongFeed are faults of the token, those from ProofMalformed to ProofReplayed of a DPoP proof; the
// others are of the request or of the verifier.
const (
	Malformed        Reason = "malformed"
	Header           Reason = "header"
	Algorithm        Reason = "algorithm"
	UnknownKey       Reason = "unknown_key"
	Signature        Reason = "signature"
	Type             Reason = "type"
	Issuer           Reason = "issuer"
	Audience         Reason = "audience"
	Claims           Reason = "claims"
	NotYetValid      Reason = "not_yet_valid"
	Expired          Reason = "expired"
	WrongFeed        Reason = "wrong_feed"
	Ambiguous        Reason = "ambiguous"
	Missing          Reason = "missing"
	PaymentRequired  Reason = "payment_required"
	ProofRequired    Reason = "proof_required"
	ProofMalformed   Reason = "proof_malformed"
	ProofHeader      Reason = "proof_header"
	ProofType        Reason = "proof_type"
	ProofAlgorithm   Reason = "proof_algorithm"
	ProofKey         Reason = "proof_key"
	ProofSignature   Reason = "proof_signature"
	ProofClaims      Reason = "proof_claims"
	ProofMethod      Reason = "proof_method"
	ProofURL         Reason = "proof_url"
	ProofNotYetValid Reason = "proof_not_yet_valid"
	ProofExpired     Reason = "proof_expired"
	ProofToken       Reason = "proof_token"
	ProofBinding     Reason = "proof_binding"
	ProofReplayed    Reason = "proof_replayed"
	NotBound         Reason = "not_bound"
	Replayed         Reason = "replayed"
	Busy             Reason = "busy"
	NotInstalled     Reason = "not_installed"
)

var reasons = map[Reason]struct {
	status  int
	message string
}{
	Malformed:        {http.StatusUnauthorized, "the token is malformed"},
	Header:           {http.StatusUnauthorized, "the token's header carries a member that is refused"},
	Algorithm:        {http.StatusUnauthorized, "the token's algorithm is not its key's"},
	UnknownKey:       {http.StatusUnauthorized, "the token's key is not known"},
	Signature:        {http.StatusUnauthorized, "the token's signature does not verify"},
	Type:             {http.StatusUnauthorized, "the token is of another type"},
	Issuer:           {http.StatusUnauthorized, "the token is from another issuer"},
	Audience:         {http.StatusUnauthorized, "the token is for another audience"},
	Claims:           {http.StatusUnauthorized, "a claim of the token is missing or ill-formed"},
	NotYetValid:      {http.StatusForbidden, "the token is not valid yet"},
	Expired:          {http.StatusForbidden, "the token has expired"},
	WrongFeed:        {http.StatusForbidden, "the token is for another feed"},
	Ambiguous:        {http.StatusBadRequest, "send one token: either ?token= or Authorization: Bearer"},
	Missing:          {http.StatusUnauthorized, "no stream token: connect through the facilitator"},
	PaymentRequired:  {http.StatusPaymentRequired, "no session token: buy a session"},
	ProofRequired:    {http.StatusUnauthorized, "the token is bound to a key: send it as Authorization: DPoP, with a DPoP proof, where proofs are checked"},
	ProofMalformed:   {http.StatusUnauthorized, "the DPoP proof is malformed"},
	ProofHeader:      {http.StatusUnauthorized, "the DPoP proof's header carries a member that is refused"},
	ProofType:        {http.StatusUnauthorized, "the DPoP proof's typ is not dpop+jwt"},
	ProofAlgorithm:   {http.StatusUnauthorized, "the DPoP proof's algorithm is not its key's; use EdDSA with Ed25519, or ES256"},
	ProofKey:         {http.StatusUnauthorized, "the DPoP proof's jwk cannot be used"},
	ProofSignature:   {http.StatusUnauthorized, "the DPoP proof's signature does not verify"},
	ProofClaims:      {http.StatusUnauthorized, "a claim of the DPoP proof is missing or ill-formed"},
	ProofMethod:      {http.StatusUnauthorized, "the DPoP proof is for another method"},
	ProofURL:         {http.StatusUnauthorized, "the DPoP proof is for another URL"},
	ProofNotYetValid: {http.StatusUnauthorized, "the DPoP proof's iat lies ahead; check the clock"},
	ProofExpired:     {http.StatusUnauthorized, "the DPoP proof is too old; make one for each request, and check the clock"},
	ProofToken:       {http.StatusUnauthorized, "the DPoP proof is not for the token presented"},
	ProofBinding:     {http.StatusUnauthorized, "the DPoP proof is by another key than the token is bound to"},
	ProofReplayed:    {http.StatusUnauthorized, "the DPoP proof has been used; make one for each request"},
	NotBound:         {http.StatusUnauthorized, "the token is bound to no key: send it as Authorization: Bearer"},
	Replayed:         {http.StatusUnauthorized, "the stream token has been used"},
	Busy:             {http.StatusServiceUnavailable, "too many streams are opening"},
	NotInstalled:     {http.StatusInternalServerError, "no verifier is installed"},
}

// VerifyError is a refusal. No text of it carries a byte of the token, or of a proof.
type VerifyError struct {
	// Reason is why.
	Reason Reason
	// SessionURL is, of PaymentRequired, where a session is sold.
	SessionURL string
}

// Status is the HTTP status that refuses an upgrade for this reason.
func (e *VerifyError) Status() int { return reasons[e.Reason].status }

func (e *VerifyError) Error() string { return "tollwire: " + e.detail() }

// detail is what the answer says.
func (e *VerifyError) detail() string {
	message := reasons[e.Reason].message
	if e.SessionURL != "" {
		message += " at " + e.SessionURL
	}
	return message
}

// Is makes errors.Is(err, &VerifyError{Reason: Expired}) ask for the reason alone.
func (e *VerifyError) Is(target error) bool {
	other, ok := target.(*VerifyError)
	return ok && other.Reason == e.Reason
}

func refuse(reason Reason) *VerifyError { return &VerifyError{Reason: reason} }

// SetupReason is what went wrong while setting up, or while asking the facilitator, by the same name in every language.
type SetupReason string

// The reasons of a SetupError.
const (
	BadURL      SetupReason = "url"
	BadSetting  SetupReason = "setting"
	BadFile     SetupReason = "file"
	BadKeys     SetupReason = "keys"
	NoKeys      SetupReason = "no_keys"
	Unreachable SetupReason = "unreachable"
	Timeout     SetupReason = "timeout"
	BadStatus   SetupReason = "status"
	TooLong     SetupReason = "too_long"
	BadAnswer   SetupReason = "answer"
	Installed   SetupReason = "installed"
)

// SetupError says that something could not be set up or fetched. Refusing a token is not an error of this kind.
type SetupError struct {
	// Reason is what.
	Reason SetupReason
	// Message says it to people.
	Message string
	// Cause is what another package said, if it was one.
	Cause error
}

func (e *SetupError) Error() string {
	if e.Cause != nil {
		return "tollwire: " + e.Message + ": " + e.Cause.Error()
	}
	return "tollwire: " + e.Message
}

func (e *SetupError) Unwrap() error { return e.Cause }
