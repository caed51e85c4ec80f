package tollwire

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Where keys come from, and that verifying never goes and gets them.

func quiet(options Options) Options {
	options.Logf = func(string, ...any) {}
	options.Accept = SessionTokens
	if options.RefreshEvery == 0 {
		options.RefreshEvery = 100 * time.Millisecond
	}
	if options.Patience == 0 {
		options.Patience = -1
	}
	return options
}

func TestFromATextOrAFile(t *testing.T) {
	issuer := newIssuer(t, "a")
	path := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(path, issuer.jwks, 0o600); err != nil {
		t.Fatal(err)
	}
	verifier := must(FromFile(testURL, path, Options{}))
	context := must(verifier.VerifySessionToken(issuer.stream("ticks", 7), "ticks"))
	if context.Payer != testPayer || context.Stream.Fence != 7 || context.Grant != nil {
		t.Fatalf("%+v", context)
	}
	_, err := FromFile(testURL, path+".none", Options{})
	wantSetup(t, err, BadFile)
	_, err = New(testURL, []byte(`{"keys":[]}`), Options{})
	wantSetup(t, err, NoKeys)
}

func TestAStreamTokenOpensOnceWhateverIsRaced(t *testing.T) {
	issuer := newIssuer(t, "a")
	verifier := must(New(testURL, issuer.jwks, Options{OpeningsMax: 2}))
	token := issuer.stream("ticks", 1)
	results := make(chan error, 20)
	var start sync.WaitGroup
	start.Add(1)
	for i := 0; i < cap(results); i++ {
		go func() {
			start.Wait()
			_, err := verifier.VerifySessionToken(token, "ticks")
			results <- err
		}()
	}
	start.Done()
	opened := 0
	for i := 0; i < cap(results); i++ {
		if err := <-results; err == nil {
			opened++
		} else {
			wantRefusal(t, err, Replayed)
		}
	}
	if opened != 1 {
		t.Fatalf("opened %d times", opened)
	}
	must(verifier.VerifySessionToken(issuer.stream("ticks", 1), "ticks"))
	_, err := verifier.VerifySessionToken(issuer.stream("ticks", 1), "ticks")
	wantRefusal(t, err, Busy)
}

func TestOpeningsAreRememberedForAsLongAsTheyWouldBeGood(t *testing.T) {
	issuer, start := newIssuer(t, "a"), time.Now()
	now := start
	verifier := must(New(testURL, issuer.jwks, Options{Clock: func() time.Time { return now }}))
	token := issuer.stream("ticks", 1)
	must(verifier.VerifySessionToken(token, "ticks"))
	for _, later := range []int{0, 1, 60, 88} {
		now = start.Add(time.Duration(later) * time.Second)
		_, err := verifier.VerifySessionToken(token, "ticks")
		wantRefusal(t, err, Replayed)
	}
	now = start.Add(91 * time.Second)
	_, err := verifier.VerifySessionToken(token, "ticks")
	wantRefusal(t, err, Expired)
}

func TestVerifyingAsksNobodyAndAnUnknownKeyHastensTheNextFetch(t *testing.T) {
	old, next := newIssuer(t, "old"), newIssuer(t, "next")
	jwks := newScripted(t, 200, string(old.jwks))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	verifier := must(Connect(ctx, testURL, quiet(Options{JWKSURL: jwks.URL, RefreshEvery: 300 * time.Millisecond})))
	must(verifier.VerifySessionToken(old.session("ticks"), "ticks"))
	_, err := verifier.VerifySessionToken(next.session("ticks"), "ticks")
	wantRefusal(t, err, UnknownKey)
	if asked := len(jwks.requests()); asked != 1 {
		t.Fatalf("asked %d times", asked)
	}
	jwks.answers(200, string(next.jwks))
	jwks.askedAgain(2)
	must(verifier.VerifySessionToken(next.session("ticks"), "ticks"))
	_, err = verifier.VerifySessionToken(old.session("ticks"), "ticks")
	wantRefusal(t, err, UnknownKey)
}

func TestANudgeCutsALongIntervalShort(t *testing.T) {
	jwks := newScripted(t, 200, string(newIssuer(t, "a").jwks))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	source := newSource(jwks.URL, time.Hour, t.Logf)
	source.gapMin = 10 * time.Millisecond // of 10 s
	nudge := make(chan struct{}, 1)
	used := make(chan keySet, 1)
	go source.keepFresh(ctx, nil, nudge, func(keys keySet) { used <- keys })
	nudge <- struct{}{}
	if keys := <-used; len(keys) != 1 {
		t.Fatal(keys)
	}
}

func TestTheKnownKeysStayInUseWhileFetchingFails(t *testing.T) {
	issuer := newIssuer(t, "a")
	jwks := newScripted(t, 200, string(issuer.jwks))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var mu sync.Mutex
	warnings := 0
	options := quiet(Options{JWKSURL: jwks.URL})
	options.Logf = func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(fmt.Sprintf(format, args...), "the known keys stay in use") {
			warnings++
		}
	}
	verifier := must(Connect(ctx, testURL, options))
	for _, answer := range []struct {
		status int
		body   string
	}{{500, ""}, {200, "no JSON"}, {200, `{"keys":[]}`}, {302, string(issuer.jwks)}} {
		jwks.answers(answer.status, answer.body)
		jwks.askedAgain(2)
		must(verifier.VerifySessionToken(issuer.session("ticks"), "ticks"))
	}
	mu.Lock()
	defer mu.Unlock()
	if warnings < 6 {
		t.Fatalf("%d warnings", warnings)
	}
}

func TestTheFirstFetchIsPatientAndSaysAtLastWhatWasWrong(t *testing.T) {
	issuer := newIssuer(t, "a")
	jwks := newScripted(t, 503, string(issuer.jwks))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, err := Connect(ctx, testURL, quiet(Options{JWKSURL: jwks.URL}))
	wantSetup(t, err, BadStatus)
	go func() {
		jwks.askedAgain(1)
		jwks.answers(200, string(issuer.jwks))
	}()
	must(Connect(ctx, testURL, quiet(Options{JWKSURL: jwks.URL, Patience: 10 * time.Second})))
	jwks.answers(200, strings.Repeat("x", 70_000))
	_, err = Connect(ctx, testURL, quiet(Options{JWKSURL: jwks.URL}))
	wantSetup(t, err, TooLong)
	jwks.Close()
	_, err = Connect(ctx, testURL, quiet(Options{JWKSURL: jwks.URL}))
	wantSetup(t, err, Unreachable)
	for _, url := range []string{"pay.example", "ftp://h", "https://u:p@h", "https://h?a", "https://h#a", "https://", "https://h:x"} {
		_, err = Connect(ctx, url, quiet(Options{}))
		wantSetup(t, err, BadURL)
	}
}

func TestAsAPlainFunctionOverAVerifierThatWasInstalled(t *testing.T) {
	issuer := newIssuer(t, "a")
	_, err := VerifySessionToken(issuer.session("ticks"), "ticks")
	wantRefusal(t, err, NotInstalled)
	verifier := must(New(testURL, issuer.jwks, Options{Accept: SessionTokens}))
	if err := Install(verifier); err != nil {
		t.Fatal(err)
	}
	context := must(VerifySessionToken(issuer.session("ticks"), "ticks"))
	if context.Grant.Deposited != "$10.00" || context.Stream != nil {
		t.Fatalf("%+v", context)
	}
	wantSetup(t, Install(verifier), Installed)
}
