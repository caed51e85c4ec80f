//go:build cost

package tollwire

import (
	"encoding/json"
	"fmt"
	"sort"
	"syscall"
	"testing"
	"time"
)

// What verifying costs per token, beside what the standard library's signature check alone takes: `go test -tags cost -run
// TestCost -v`. Prints the median of interleaved rounds as one JSON line.
func TestCost(t *testing.T) {
	file := readVectors(t)
	eddsa, es256 := cost(t, file, "session, EdDSA"), cost(t, file, "session, ES256")
	line := must(json.Marshal(map[string]any{"language": "go", "library": "crypto", "eddsa": eddsa, "es256": es256}))
	fmt.Println(string(line))
}

func cost(t *testing.T, file *vectorFile, name string) map[string]float64 {
	const rounds = 15
	for _, vector := range file.Vectors {
		if vector.Name != name {
			continue
		}
		options := Options{Accept: SessionTokens, Clock: func() time.Time { return time.Unix(vector.Now, 0) }}
		verifier := must(New(file.Audience, file.JWKS, options))
		parts := must(parseCompact(vector.Token))
		key := must(readKeys(file.JWKS))[parts.kid]
		var ours, library []float64
		for i := 0; i < rounds; i++ {
			ours = append(ours, clocked(func() { must(verifier.VerifySessionToken(vector.Token, vector.Feed)) }))
			library = append(library, clocked(func() {
				if !key.verify([]byte(parts.signed), parts.signature) {
					t.Error("a signature")
				}
			}))
		}
		sort.Float64s(ours)
		sort.Float64s(library)
		a, b := ours[rounds/2], library[rounds/2]
		return map[string]float64{"ours_us": a, "library_us": b, "ratio": a / b}
	}
	t.Fatal("no vector ", name)
	return nil
}

// clocked is the CPU time of one call, in microseconds.
func clocked(verify func()) float64 {
	const calls = 300
	began := cpuMicros()
	for i := 0; i < calls; i++ {
		verify()
	}
	return (cpuMicros() - began) / calls
}

func cpuMicros() float64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	micros := func(t syscall.Timeval) float64 { return float64(t.Sec)*1e6 + float64(t.Usec) }
	return micros(usage.Utime) + micros(usage.Stime)
}
