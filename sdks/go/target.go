package tollwire

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// urlBytesMax is the longest htu, and the longest URL of a request.
const urlBytesMax = 2048

var (
	graphicForm = regexp.MustCompile(`\A[\x21-\x5b\x5d-\x7e]+\z`) // ASCII, but for spaces and the backslash
	hostForm    = regexp.MustCompile(`\A[A-Za-z0-9\-._~%!$&'()*+,;=\[\]:]+\z`)
	escapeForm  = regexp.MustCompile(`%([0-9A-Fa-f]{2})?`)
)

// normalURL is the one form of a URL that is compared: without query and fragment, normalised as RFC 3986 sections 6.2.2
// and 6.2.3 say. A WebSocket's opening handshake is an HTTP request, so ws means http and wss means https. False if it is no
// absolute URL of these kinds, or has a user name.
func normalURL(url string) (string, bool) {
	if len(url) > urlBytesMax || !graphicForm.MatchString(url) {
		return "", false
	}
	if end := strings.IndexAny(url, "?#"); end >= 0 {
		url = url[:end]
	}
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return "", false
	}
	defaultPort := uint64(80)
	switch strings.ToLower(scheme) {
	case "http", "ws":
		scheme = "http"
	case "https", "wss":
		scheme, defaultPort = "https", 443
	default:
		return "", false
	}
	authority, path := rest, ""
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		authority, path = rest[:slash], rest[slash:]
	}
	host, hostOK := hostAndPort(authority, defaultPort)
	path, pathOK := unescaped(path)
	return scheme + "://" + host + withoutDots(path), hostOK && pathOK
}

func hostAndPort(authority string, defaultPort uint64) (string, bool) {
	// The colons of an IPv6 address stand in brackets.
	bracket := strings.LastIndexByte(authority, ']') + 1
	name, digits := authority, ""
	if colon := strings.IndexByte(authority[bracket:], ':'); colon >= 0 {
		name, digits = authority[:bracket+colon], authority[bracket+colon+1:]
	}
	host, ok := unescaped(name)
	if host = strings.ToLower(host); !ok || !hostForm.MatchString(host) {
		return "", false
	}
	if digits == "" {
		return host, true
	}
	port, err := strconv.ParseUint(digits, 10, 16) // which takes no sign
	if err != nil || port == defaultPort {
		return host, err == nil
	}
	return fmt.Sprintf("%s:%d", host, port), true
}

// unescaped undoes escapes of unreserved characters and writes all others in upper case (RFC 3986 section 6.2.2.2).
func unescaped(text string) (string, bool) {
	whole := true
	normal := escapeForm.ReplaceAllStringFunc(text, func(escape string) string {
		value, err := strconv.ParseUint(escape[1:], 16, 8)
		whole = whole && err == nil
		character := byte(value)
		switch {
		case character >= 'a' && character <= 'z', character >= 'A' && character <= 'Z',
			character >= '0' && character <= '9', character != 0 && strings.IndexByte("-._~", character) >= 0:
			return string(rune(character))
		}
		return strings.ToUpper(escape)
	})
	return normal, whole
}

// withoutDots resolves . and .. (RFC 3986 section 5.2.4); an empty path is /.
func withoutDots(path string) string {
	var kept []string
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, segment := range segments {
		if segment != "." && segment != ".." {
			kept = append(kept, segment)
			continue
		}
		if segment == ".." && len(kept) > 0 {
			kept = kept[:len(kept)-1]
		}
		if i == len(segments)-1 {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}
