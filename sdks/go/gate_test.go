package tollwire

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// ask is an answer's status, its code or whole body, and its headers.
func ask(t testing.TB, server *httptest.Server, target string, header http.Header) (int, string, http.Header) {
	request := must(http.NewRequest("GET", server.URL+target, nil))
	for name, values := range header {
		request.Header[name] = values
	}
	response := must(http.DefaultClient.Do(request))
	defer response.Body.Close()
	body := must(io.ReadAll(response.Body))
	told := struct{ Code string }{}
	if json.Unmarshal(body, &told) == nil && told.Code != "" {
		return response.StatusCode, told.Code, response.Header
	}
	return response.StatusCode, string(body), response.Header
}

func gated(t testing.TB, issuer *issuer, accept Accept) *httptest.Server {
	gate := must(NewGate(must(New(testURL, issuer.jwks, Options{Accept: accept})), "ticks"))
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers := len(r.Header.Values("Authorization")) + len(r.Header.Values("DPoP"))
		again := must(gate.Admit(r))
		_, _ = w.Write([]byte(SessionFrom(again.Context()).Payer + " " + r.RequestURI + " " + r.URL.RequestURI()))
		if headers != 0 {
			t.Error("the token is still there")
		}
	})
	server := httptest.NewServer(gate.Require(inner))
	t.Cleanup(server.Close)
	return server
}

func TestAdmitsByQueryOrHeaderOnceAndHidesTheToken(t *testing.T) {
	issuer := newIssuer(t, "a")
	server := gated(t, issuer, StreamTokens)
	token := issuer.stream("ticks", 1)
	if _, body, _ := ask(t, server, "/s?a=1&token="+token+"&b", nil); body != testPayer+" /s?a=1&b /s?a=1&b" {
		t.Fatal(body)
	}
	header := http.Header{"Authorization": {"bEARER  " + issuer.stream("ticks", 1)}, "Dpop": {"x"}}
	if _, body, _ := ask(t, server, "/s", header); body != testPayer+" /s /s" {
		t.Fatal(body)
	}
	for _, refused := range []struct {
		target        string
		authorization []string
		status        int
		code          string
	}{
		{"/s?token=" + token, nil, 401, "replayed"},
		{"/s", nil, 401, "missing"},
		{"/s?token=", nil, 401, "malformed"},
		{"/s?token", nil, 401, "malformed"},
		{"/s?mytoken=x", nil, 401, "missing"},
		{"/s?token=a&token=b", nil, 400, "ambiguous"},
		{"/s?token=a", []string{"Bearer b"}, 400, "ambiguous"},
		{"/s", []string{"Bearer a", "Bearer b"}, 400, "ambiguous"},
		{"/s", []string{"Bearer a", "Basic b"}, 400, "ambiguous"},
		{"/s", []string{"DPoP a"}, 401, "proof_required"},
		{"/s", []string{"Basic dTpw"}, 401, "missing"},
		{"/s?token=" + issuer.stream("orders", 1), nil, 401, "audience"},
		{"/s?token=" + issuer.session("ticks"), nil, 401, "type"},
	} {
		status, code, header := ask(t, server, refused.target, http.Header{"Authorization": refused.authorization})
		if status != refused.status || code != refused.code {
			t.Errorf("%s %v: %d %s", refused.target, refused.authorization, status, code)
		}
		if header.Get("Cache-Control") != "no-store" || (header.Get("WWW-Authenticate") != "") != (status == 401) {
			t.Errorf("%v", header)
		}
	}
}

func TestWithoutASessionTokenTheWayToPay(t *testing.T) {
	issuer := newIssuer(t, "a")
	server := gated(t, issuer, SessionTokens)
	status, code, header := ask(t, server, "/", nil)
	if status != 402 || code != "payment_required" || header.Get("Link") != `<https://pay.example/feeds/ticks/session>; rel="payment"` {
		t.Fatal(status, code, header)
	}
	token := issuer.session("ticks")
	for i := 0; i < 2; i++ {
		if status, body, _ := ask(t, server, "/?token="+token, nil); status != 200 {
			t.Fatal(status, body)
		}
	}
}

func TestAFormReadBeforeTheGateKeepsNoToken(t *testing.T) {
	issuer := newIssuer(t, "a")
	gate := must(NewGate(must(New(testURL, issuer.jwks, Options{})), "ticks"))
	request := httptest.NewRequest("GET", "/s?token="+issuer.stream("ticks", 1)+"&a=1", nil)
	if request.FormValue("a") != "1" {
		t.Fatal("no form")
	}
	admitted := must(gate.Admit(request))
	if admitted.FormValue("token") != "" || strings.Contains(admitted.RequestURI, "token") {
		t.Fatal(admitted.Form, admitted.RequestURI)
	}
	_, err := NewGate(gate.verifier, "../ticks")
	wantSetup(t, err, BadSetting)
}

func TestABoundTokenAdmitsWithItsProofOnce(t *testing.T) {
	const door = "wss://feeds.example/stream"
	issuer, agent := newIssuer(t, "a"), newHolder(t)
	gate := must(NewGate(must(New(testURL, issuer.jwks, Options{Accept: SessionTokens})), "ticks"))
	token := issuer.bound("ticks", agent)
	admit := func(gate *Gate, scheme string, proofs ...string) (*http.Request, error) {
		request := httptest.NewRequest("GET", "/stream", nil)
		request.Header.Set("Authorization", scheme+" "+token)
		for _, proof := range proofs {
			request.Header.Add("DPoP", proof)
		}
		return gate.Admit(request)
	}
	prove := func(jti string) string { return agent.prove(door, token, jti) }
	_, err := admit(gate, "DPoP", prove("a"))
	wantRefusal(t, err, ProofRequired) // it does not know its URL
	gate = gate.At(door)
	for _, refused := range []struct {
		scheme string
		proofs []string
		reason Reason
	}{
		{"DPoP", nil, ProofRequired},
		{"Bearer", []string{prove("a")}, ProofRequired},
		{"DPoP", []string{prove("a"), prove("b")}, ProofMalformed},
		{"DPoP", []string{newHolder(t).prove(door, token, "a")}, ProofBinding},
		{"DPoP", []string{agent.prove("wss://feeds.example/orders", token, "a")}, ProofURL},
	} {
		_, err := admit(gate, refused.scheme, refused.proofs...)
		wantRefusal(t, err, refused.reason)
	}
	admitted := must(admit(gate, "DPoP", prove("a")))
	if SessionFrom(admitted.Context()).Payer != testPayer || len(admitted.Header) != 0 {
		t.Fatal(admitted.Header)
	}
	_, err = admit(gate, "DPoP", prove("a"))
	wantRefusal(t, err, ProofReplayed)
	answer := httptest.NewRecorder()
	WriteRefusal(answer, err)
	if answer.Code != 401 || !strings.HasPrefix(answer.Header().Get("WWW-Authenticate"), `DPoP error="invalid_dpop_proof"`) {
		t.Fatal(answer)
	}
	_ = must(admit(gate, "DPoP", prove("b")))
	token = issuer.session("ticks")
	_, err = admit(gate, "DPoP", prove("c"))
	wantRefusal(t, err, NotBound)
}
