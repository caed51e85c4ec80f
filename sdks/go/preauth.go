package tollwire

import (
	"errors"
	"log"
	"net/http"
	"regexp"
	"time"
)

const (
	// preAuthTimeout is longer than the facilitator holds a payment for its outcome (30 s).
	preAuthTimeout  = 40 * time.Second
	preAuthBytesMax = 64 * 1024
	// waitingMax is how many requests wait for the facilitator at once; one more is told to come back. As many callbacks.
	waitingMax = 256

	unavailable = "facilitator_unavailable"
)

var (
	walletForm      = regexp.MustCompile(`\A[\x21-\x7e]{1,128}\z`)
	requestHeaders  = []string{"Accept", "Payment-Signature", "X-Payment", "Tollwire-Claim", "Sign-In-With-X"}
	responseHeaders = []string{
		"Content-Type", "Cache-Control", "Retry-After", "Www-Authenticate", "Access-Control-Expose-Headers",
		"Payment-Required", "Payment-Response", "X-Payment-Response",
	}
)

// PreAuth serves the provider's own pre-auth route: agents get their 402, pay, and receive their token there; the
// facilitator does the work. Only the headers of the payment travel. Its fields are set before it serves.
type PreAuth struct {
	// OnSession is called with every session that is sold through this route, beside the answer: the agent does not wait
	// for it, and nothing it does can lose what was paid. An agent that collects its answer again makes it run again.
	OnSession func(Purchase)
	// Logf takes warnings; log.Printf by default.
	Logf func(format string, args ...any)

	url, feed, wallet string
	client            *http.Client
	waiting, running  chan struct{}
}

// NewPreAuth is the route of a feed; mount it at /feeds/{feed}/session, as the facilitator does, or elsewhere.
//
// publicURL is the facilitator's. The wallet decides nothing here: where the money goes is settled by the feed's
// registration; it is handed to OnSession with each purchase.
func NewPreAuth(publicURL, feed, wallet string) (*PreAuth, error) {
	if err := checkFeedID(feed); err != nil {
		return nil, err
	}
	if !walletForm.MatchString(wallet) {
		return nil, &SetupError{Reason: BadSetting, Message: "a wallet address is 1 to 128 visible ASCII characters"}
	}
	url, err := join(publicURL, "/feeds/"+feed+"/session")
	if err != nil {
		return nil, err
	}
	return &PreAuth{
		Logf: log.Printf, url: url, feed: feed, wallet: wallet, client: newClient(),
		waiting: make(chan struct{}, waitingMax), running: make(chan struct{}, waitingMax),
	}, nil
}

// ServeHTTP answers as the facilitator does.
func (p *PreAuth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		writeProblem(w, http.StatusMethodNotAllowed, "method_not_allowed", "Use GET.")
		return
	}
	select {
	case p.waiting <- struct{}{}:
		defer func() { <-p.waiting }()
	default:
		again(w, http.StatusServiceUnavailable, "busy", "Too many payments are under way.")
		return
	}
	answer, err := get(r.Context(), p.client, p.url, allowed(r.Header, requestHeaders), preAuthBytesMax, preAuthTimeout)
	if err != nil {
		p.Logf("%v: no answer for the pre-auth route of %s", err, p.feed)
		status, setup := http.StatusBadGateway, (*SetupError)(nil)
		if errors.As(err, &setup) && setup.Reason == Timeout {
			status = http.StatusGatewayTimeout
		}
		// Never a fresh 402: what was signed may have been settled, and the same payment collects it.
		again(w, status, unavailable, "Repeat the request with the same payment, if it had one.")
		return
	}
	p.pass(w, answer)
}

func (p *PreAuth) pass(w http.ResponseWriter, answer *answer) {
	if answer.status != http.StatusOK && (answer.status < 400 || answer.status > 599) {
		p.Logf("tollwire: unexpected status %d of the facilitator for %s", answer.status, p.feed)
		again(w, http.StatusBadGateway, unavailable, "Repeat the request.")
		return
	}
	if answer.status == http.StatusOK {
		p.sold(answer.body)
	}
	// A token must not be cached, whatever the facilitator forgot.
	w.Header().Set("Cache-Control", "private, no-store")
	for name, values := range allowed(answer.header, responseHeaders) {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body)
}

func (p *PreAuth) sold(body []byte) {
	if p.OnSession == nil {
		return
	}
	purchase := readPurchase(body, p.wallet)
	if purchase == nil || purchase.Feed != p.feed {
		p.Logf("tollwire: the facilitator's 200 does not describe a session of %s", p.feed)
		return
	}
	select {
	case p.running <- struct{}{}:
		go p.call(*purchase)
	default:
		p.Logf("tollwire: too many callbacks run; that of session %s is skipped", purchase.Session)
	}
}

func (p *PreAuth) call(purchase Purchase) {
	defer func() {
		<-p.running
		if problem := recover(); problem != nil {
			p.Logf("tollwire: OnSession of session %s: %v", purchase.Session, problem)
		}
	}()
	p.OnSession(purchase)
}

// allowed is the headers of a closed list, each with all its values: whoever reads them decides about repetitions.
func allowed(from http.Header, names []string) http.Header {
	header := http.Header{}
	for _, name := range names {
		if values := from.Values(name); len(values) > 0 {
			header[http.CanonicalHeaderKey(name)] = values
		}
	}
	return header
}

func again(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Retry-After", "2")
	writeProblem(w, status, code, detail)
}
