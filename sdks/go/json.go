package tollwire

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// depthMax is as deep as the other implementations read.
const depthMax = 127

var errMalformed = errors.New("not an object that tokens may carry")

// readObject reads one JSON object and nothing after it: no member twice, no number with a fraction or exponent, no half
// of a surrogate pair. Parsers differ about these, and a token that two parties could read differently is refused
// (RFC 8725). Integers are int64 or, above that, uint64.
func readObject(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) || !json.Valid(data) || hasLoneSurrogate(data) {
		return nil, errMalformed
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	value, err := readValue(decoder, 0)
	if err != nil {
		return nil, err
	}
	if object, ok := value.(map[string]any); ok {
		return object, nil
	}
	return nil, errMalformed
}

func readValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil || depth > depthMax {
		return nil, errMalformed
	}
	switch token := token.(type) {
	case json.Delim:
		if depth == depthMax {
			return nil, errMalformed
		}
		if token == '{' {
			return readMembers(decoder, depth+1)
		}
		return readItems(decoder, depth+1)
	case json.Number:
		return readInteger(token.String())
	default:
		return token, nil
	}
}

func readMembers(decoder *json.Decoder, depth int) (any, error) {
	members := map[string]any{}
	for decoder.More() {
		token, err := decoder.Token()
		name, ok := token.(string)
		if _, twice := members[name]; err != nil || !ok || twice {
			return nil, errMalformed
		}
		if members[name], err = readValue(decoder, depth); err != nil {
			return nil, err
		}
	}
	_, err := decoder.Token()
	return members, err
}

func readItems(decoder *json.Decoder, depth int) (any, error) {
	items := []any{}
	for decoder.More() {
		item, err := readValue(decoder, depth)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	_, err := decoder.Token()
	return items, err
}

func readInteger(digits string) (any, error) {
	if strings.ContainsAny(digits, ".eE") || digits == "-0" {
		return nil, errMalformed
	}
	if value, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return value, nil
	}
	if value, err := strconv.ParseUint(digits, 10, 64); err == nil {
		return value, nil
	}
	return nil, errMalformed
}

// hasLoneSurrogate finds in valid JSON what encoding/json would silently replace.
func hasLoneSurrogate(data []byte) bool {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		i++
		if data[i] != 'u' {
			continue
		}
		unit := hexUnit(data[i+1:])
		i += 4
		switch {
		case unit >= 0xdc00 && unit <= 0xdfff:
			return true
		case unit >= 0xd800 && unit <= 0xdbff:
			if !bytes.HasPrefix(data[i+1:], []byte(`\u`)) {
				return true
			}
			if low := hexUnit(data[i+3:]); low < 0xdc00 || low > 0xdfff {
				return true
			}
			i += 6
		}
	}
	return false
}

// hexUnit is the value of four hexadecimal digits, which valid JSON has after \u.
func hexUnit(data []byte) uint64 {
	unit, _ := strconv.ParseUint(string(data[:4]), 16, 16)
	return unit
}
