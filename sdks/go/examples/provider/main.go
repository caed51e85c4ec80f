// A provider with net/http: a feed of ticks at /stream, gated, and the pre-auth route where agents pay.
//
// go run ./examples/provider; settings in ../../../README.md.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	tollwire "github.com/tollwire/tollwire/sdks/go"
)

func main() {
	facilitator := setting("FACILITATOR", "http://127.0.0.1:4020")
	feed := setting("FEED", "ticks")
	listen := setting("LISTEN", "127.0.0.1:9100")
	options := tollwire.Options{}
	if setting("ACCEPT", "stream") == "session" {
		options.Accept = tollwire.SessionTokens
	}

	// The facilitator's public keys: fetched now, refreshed in the background, never on the way of a request.
	verifier, err := tollwire.Connect(context.Background(), facilitator, options)
	check(err)
	gate, err := tollwire.NewGate(verifier, feed)
	check(err)

	// Agents pay at GET /feeds/{feed}/session.
	preAuth, err := tollwire.NewPreAuth(facilitator, feed, setting("WALLET", "0x0000000000000000000000000000000000000000"))
	check(err)
	preAuth.OnSession = func(purchase tollwire.Purchase) {
		fmt.Printf("sold %s for %s\n", purchase.Session, purchase.Deposited)
	}

	mux := http.NewServeMux()
	mux.Handle("/feeds/"+feed+"/session", preAuth)
	gate = gate.At(setting("DOOR", "ws://"+listen+"/stream"))
	mux.Handle("/stream", gate.Require(http.HandlerFunc(stream)))

	listener, err := net.Listen("tcp", listen)
	check(err)
	fmt.Printf("listening on %s\n", listener.Addr())
	check(http.Serve(listener, mux))
}

// stream is the feed. Whoever gets here has paid.
func stream(w http.ResponseWriter, r *http.Request) {
	session := tollwire.SessionFrom(r.Context())
	fmt.Printf("%s opens %s\n", session.Payer, session.Feed)
	serveTicks(w, r)
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
