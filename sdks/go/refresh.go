package tollwire

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"
)

const (
	fetchTimeout = 10 * time.Second
	gapMin       = 10 * time.Second
	firstBackoff = time.Second
)

// source is where keys come from, and how fetches are spaced; no wait is longer than interval.
type source struct {
	client                    *http.Client
	url                       string
	interval, gapMin, backoff time.Duration
	logf                      func(format string, args ...any)
}

func newSource(url string, interval time.Duration, logf func(string, ...any)) *source {
	return &source{newClient(), url, interval, least(gapMin, interval), least(firstBackoff, interval), logf}
}

// first fetches until it succeeds, or patience is over; then the last failure.
func (s *source) first(ctx context.Context, patience time.Duration) (keySet, []byte, error) {
	deadline := time.Now().Add(patience)
	for wait := s.backoff; ; wait = least(2*wait, s.interval) {
		keys, text, err := s.fetch(ctx)
		if err == nil || !time.Now().Add(wait).Before(deadline) {
			return keys, text, err
		}
		s.logf("%v; trying again in %v", err, wait)
		select {
		case <-ctx.Done():
			return nil, nil, err
		case <-time.After(wait):
		}
	}
}

// keepFresh replaces keys in the background, away from the path that verifies, until ctx ends. A nudge says that an
// unknown key was seen: perhaps there are new ones.
func (s *source) keepFresh(ctx context.Context, text []byte, nudge <-chan struct{}, use func(keySet)) {
	for wait, failures := s.interval, 0; s.pause(ctx, wait, nudge); {
		keys, fetched, err := s.fetch(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = least(s.backoff<<uint(lesser(failures, 16)), s.interval)
			failures++
			s.logf("%v; the known keys stay in use (failure %d)", err, failures)
		default:
			wait, failures = s.interval, 0
			if !bytes.Equal(text, fetched) {
				use(keys)
				text = fetched
			}
		}
	}
}

// fetch is one fetch. An answer without a usable key is a failure: it would refuse everybody.
func (s *source) fetch(ctx context.Context) (keySet, []byte, error) {
	answer, err := get(ctx, s.client, s.url, http.Header{}, jwksBytesMax, fetchTimeout)
	if err != nil {
		return nil, nil, err
	}
	if answer.status != http.StatusOK {
		return nil, nil, &SetupError{Reason: BadStatus, Message: fmt.Sprintf("the facilitator answered with status %d", answer.status)}
	}
	keys, err := readKeys(answer.body)
	return keys, answer.body, err
}

// pause waits, or until a nudge comes, but not less than the least gap; false at the end.
func (s *source) pause(ctx context.Context, wait time.Duration, nudge <-chan struct{}) bool {
	gap := time.NewTimer(least(s.gapMin, wait))
	defer gap.Stop()
	whole := time.NewTimer(wait)
	defer whole.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-whole.C:
	case <-nudge:
	}
	select {
	case <-ctx.Done():
		return false
	case <-gap.C:
		return true
	}
}

func least(a, b time.Duration) time.Duration {
	if a < b {
		return a
	}
	return b
}

func lesser(a, b int) int {
	if a < b {
		return a
	}
	return b
}
