package tollwire

import "net/http"

// Reason is why a token is refused, by the same name in every language.
type Reason string

// The reasons. Those up to WrongFeed are faults of the token; the others are of the request or of the verifier.
const (
	Malformed       Reason = "malformed"
	Header          Reason = "header"
	Algorithm       Reason = "algorithm"
	UnknownKey      Reason = "unknown_key"
	Signature       Reason = "signature"
	Type            Reason = "type"
	Issuer          Reason = "issuer"
	Audience        Reason = "audience"
	Claims          Reason = "claims"
	NotYetValid     Reason = "not_yet_valid"
	Expired         Reason = "expired"
	WrongFeed       Reason = "wrong_feed"
	Ambiguous       Reason = "ambiguous"
	Missing         Reason = "missing"
	PaymentRequired Reason = "payment_required"
	ProofRequired   Reason = "proof_required"
	Replayed        Reason = "replayed"
	Busy            Reason = "busy"
	NotInstalled    Reason = "not_installed"
)

var reasons = map[Reason]struct {
	status  int
	message string
}{
	Malformed:       {http.StatusUnauthorized, "the token is malformed"},
	Header:          {http.StatusUnauthorized, "the token's header carries a member that is refused"},
	Algorithm:       {http.StatusUnauthorized, "the token's algorithm is not its key's"},
	UnknownKey:      {http.StatusUnauthorized, "the token's key is not known"},
	Signature:       {http.StatusUnauthorized, "the token's signature does not verify"},
	Type:            {http.StatusUnauthorized, "the token is of another type"},
	Issuer:          {http.StatusUnauthorized, "the token is from another issuer"},
	Audience:        {http.StatusUnauthorized, "the token is for another audience"},
	Claims:          {http.StatusUnauthorized, "a claim of the token is missing or ill-formed"},
	NotYetValid:     {http.StatusForbidden, "the token is not valid yet"},
	Expired:         {http.StatusForbidden, "the token has expired"},
	WrongFeed:       {http.StatusForbidden, "the token is for another feed"},
	Ambiguous:       {http.StatusBadRequest, "send one token: either ?token= or Authorization: Bearer"},
	Missing:         {http.StatusUnauthorized, "no stream token: connect through the facilitator"},
	PaymentRequired: {http.StatusPaymentRequired, "no session token: buy a session"},
	ProofRequired:   {http.StatusUnauthorized, "the token is bound to a key, and DPoP proofs are not checked here"},
	Replayed:        {http.StatusUnauthorized, "the stream token has been used"},
	Busy:            {http.StatusServiceUnavailable, "too many streams are opening"},
	NotInstalled:    {http.StatusInternalServerError, "no verifier is installed"},
}

// VerifyError is a refusal. No text of it carries a byte of the token.
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
