// Package tollwire is for providers: it verifies the tokens of a Tollwire facilitator, gates a WebSocket feed, and serves
// the route where agents pay. It needs nothing but the standard library.
package tollwire
