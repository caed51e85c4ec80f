package tollwire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// answer is an answer whose body has been read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// newClient follows no redirect, keeps no cookie, and lets no proxy of the environment stand between.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			IdleConnTimeout:       30 * time.Second,
			MaxIdleConnsPerHost:   16,
			ForceAttemptHTTP2:     true,
			ResponseHeaderTimeout: 0, // the whole exchange has one
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// get asks, whatever the status. The whole exchange ends within timeout, and a body beyond bytesMax is an error.
func get(ctx context.Context, client *http.Client, target string, header http.Header, bytesMax int64, timeout time.Duration) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, &SetupError{Reason: BadURL, Message: "a URL cannot be asked", Cause: err}
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		return nil, unreachable(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, bytesMax+1))
	if err != nil {
		return nil, unreachable(err)
	}
	if int64(len(body)) > bytesMax {
		return nil, &SetupError{Reason: TooLong, Message: fmt.Sprintf("the facilitator's answer is longer than %d bytes", bytesMax)}
	}
	return &answer{response.StatusCode, response.Header, body}, nil
}

func unreachable(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &SetupError{Reason: Timeout, Message: "the facilitator did not answer in time"}
	}
	return &SetupError{Reason: Unreachable, Message: "the facilitator cannot be reached", Cause: err}
}

// join is base and a path below it.
func join(base, path string) (string, error) {
	parsed, err := url.Parse(base)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Hostname() == "" ||
		parsed.User != nil || strings.ContainsAny(base, "?# ") {
		return "", &SetupError{Reason: BadURL, Message: "an absolute http:// or https:// URL without credentials is expected"}
	}
	return strings.TrimRight(base, "/") + path, nil
}
