package tollwire

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// The provider's own pre-auth route, and the online check, against a facilitator that is scripted at the HTTP level.

const sold = `{"token":"a.b.c","token_type":"Bearer","expires_at":"2027-01-16T08:00:00Z",
	"ws_url":"wss://pay.example/feeds/ticks/ws","session":{"jti":"7d444840-9dc0-4acd-b245-5ffdce74fad2",
	"feed":"ticks","unit":"stream","units_remaining":10,"deposited":"$10.00","chain":"base"}}`

func preAuth(t testing.TB, url string, adjust func(*PreAuth)) *httptest.Server {
	route := must(NewPreAuth(url, "ticks", "0xabc"))
	route.Logf = func(string, ...any) {}
	adjust(route)
	server := httptest.NewServer(route)
	t.Cleanup(server.Close)
	return server
}

func TestOnlyThePaymentTravels(t *testing.T) {
	facilitator := newScripted(t, 402, `{"x402Version":1}`)
	facilitator.header = http.Header{
		"Payment-Required": {"terms"}, "Retry-After": {"7"}, "Content-Type": {"application/json"}, "Set-Cookie": {"f=1"}, "X-Secret": {"1"},
	}
	server := preAuth(t, facilitator.URL, func(*PreAuth) {})
	payment := http.Header{
		"Payment-Signature": {"v2"}, "X-Payment": {"v1", "again"}, "Tollwire-Claim": {"claim"}, "Sign-In-With-X": {"siwx"}, "Accept": {"*/*"},
	}
	header := payment.Clone()
	more := []string{"Authorization", "Cookie", "X-Forwarded-For"}
	for _, name := range more {
		header.Set(name, "secret")
	}
	status, body, answered := ask(t, server, "/?token=secret&a=1", header)
	if status != 402 || body != `{"x402Version":1}` || answered.Get("Payment-Required") != "terms" || answered.Get("Retry-After") != "7" {
		t.Fatal(status, body, answered)
	}
	if answered.Get("Set-Cookie")+answered.Get("X-Secret") != "" || answered.Get("Cache-Control") != "private, no-store" {
		t.Fatal(answered)
	}
	seen := facilitator.requests()[0]
	if seen.RequestURI != "/feeds/ticks/session" {
		t.Fatal(seen.RequestURI)
	}
	for name, values := range payment {
		if !reflect.DeepEqual(seen.Header[name], values) {
			t.Error(name, seen.Header[name])
		}
	}
	for _, name := range more {
		if seen.Header.Get(name) != "" {
			t.Error(name)
		}
	}
	if response := must(http.Post(server.URL, "", nil)); response.StatusCode != 405 {
		t.Fatal(response.Status)
	}
}

func TestEachSaleIsToldAndACallbackThatFailsLosesNothing(t *testing.T) {
	facilitator := newScripted(t, 200, sold)
	told, warned := make(chan Purchase, 9), make(chan string, 9)
	server := preAuth(t, facilitator.URL+"/", func(route *PreAuth) {
		route.OnSession = func(purchase Purchase) {
			told <- purchase
			panic("the provider's own")
		}
		route.Logf = func(format string, _ ...any) { warned <- format }
	})
	if status, body, _ := ask(t, server, "/", nil); status != 200 || body != sold {
		t.Fatal(status, body)
	}
	expected := Purchase{"7d444840-9dc0-4acd-b245-5ffdce74fad2", "ticks", "stream", 10, "$10.00", "base", "2027-01-16T08:00:00Z", "0xabc"}
	if purchase := <-told; purchase != expected {
		t.Fatal(purchase)
	}
	<-warned
	for _, body := range []string{"", "[]", strings.ReplaceAll(sold, "ticks", "orders")} {
		facilitator.answers(200, body)
		ask(t, server, "/", nil)
		<-warned
	}
	if len(told) != 0 {
		t.Fatal("told of what was not sold")
	}
}

func TestNoAnswerIsNeverAFresh402(t *testing.T) {
	facilitator := newScripted(t, 302, "")
	server := preAuth(t, facilitator.URL, func(*PreAuth) {})
	check := func() {
		t.Helper()
		status, code, header := ask(t, server, "/", nil)
		if status != 502 || code != unavailable || header.Get("Retry-After") != "2" {
			t.Fatal(status, code, header)
		}
	}
	check()
	facilitator.answers(200, strings.Repeat("x", 70_000))
	check()
	facilitator.Close()
	check()
}

func TestSettingsThatMeanNothingAreRefused(t *testing.T) {
	for _, settings := range [][3]string{
		{"pay.example", "ticks", "0xabc"},
		{"https://u:p@pay.example", "ticks", "0xabc"},
		{"https://pay.example", "../ticks", "0xabc"},
		{"https://pay.example", "ticks", ""},
		{"https://pay.example", "ticks", "0xabc\n"},
	} {
		if _, err := NewPreAuth(settings[0], settings[1], settings[2]); err == nil {
			t.Error(settings)
		}
	}
}

func TestWhatIsLeftIsAskedOfTheFacilitator(t *testing.T) {
	facilitator := newScripted(t, 200, `{"active":true,"units_remaining":3,"more":1}`)
	check := must(NewOnlineCheck(facilitator.URL))
	ctx := context.Background()
	if status := must(check.Check(ctx, "a.b.c")); !status.Active || status.UnitsRemaining != 3 {
		t.Fatal(status)
	}
	if seen := facilitator.requests()[0]; seen.RequestURI != "/session" || seen.Header.Get("Authorization") != "Bearer a.b.c" {
		t.Fatal(seen)
	}
	for _, status := range []int{401, 403} {
		facilitator.answers(status, "")
		if must(check.Check(ctx, "a.b.c")).Active {
			t.Fatal(status)
		}
	}
	facilitator.answers(503, "")
	_, err := check.Check(ctx, "a.b.c")
	wantSetup(t, err, BadStatus)
	for _, body := range []string{"[]", "{}", `{"active":1}`} {
		facilitator.answers(200, body)
		_, err := check.Check(ctx, "a.b.c")
		wantSetup(t, err, BadAnswer)
	}
}
