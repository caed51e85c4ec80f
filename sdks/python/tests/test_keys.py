"""Where keys come from, and that verifying never goes and gets them."""

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import PAYER, URL, Issuer, Scripted
from tollwire import SetupError, StreamGrant, Verifier, VerifyError, check_online, install, verify_session_token


def refused(verifier: Verifier, token: str) -> str:
    with pytest.raises(VerifyError) as caught:
        verifier.verify_session_token(token, "ticks")
    assert token not in str(caught.value)
    return caught.value.reason


def connect(script: Scripted, **options: object) -> Verifier:
    settings = {"accept": "session-tokens", "refresh_secs": 0.1, "patience_secs": 0, **options}
    return Verifier.connect(URL, jwks_url=f"{script.url}/jwks.json", **settings)


def failure(act: object) -> str:
    with pytest.raises(SetupError) as caught:
        act()
    return caught.value.reason


def test_from_a_text_or_a_file(tmp_path) -> None:
    issuer = Issuer("a")
    path = tmp_path / "jwks.json"
    path.write_text(issuer.jwks)
    context = Verifier.from_file(URL, path).verify_session_token(issuer.stream(fence=7), "ticks")
    assert (context.payer, context.grant) == (PAYER, StreamGrant("0123456789abcdef", 7))
    assert failure(lambda: Verifier.from_file(URL, tmp_path / "none.json")) == "file"
    assert failure(lambda: Verifier(URL, '{"keys":[]}')) == "no_keys"
    path.write_text(issuer.jwks + " " * 65_536)
    assert failure(lambda: Verifier.from_file(URL, path)) == "keys"


def test_a_stream_token_opens_once_whatever_is_raced() -> None:
    issuer = Issuer("a")
    verifier = Verifier(URL, issuer.jwks, openings_max=2)
    token = issuer.stream()
    together = threading.Barrier(8)

    def opens(_: int) -> str:
        together.wait()
        try:
            return verifier.verify_session_token(token, "ticks").payer
        except VerifyError as error:
            return error.reason

    with ThreadPoolExecutor(8) as pool:
        results = sorted(pool.map(opens, range(8)))
    assert results == [PAYER] + ["replayed"] * 7
    verifier.verify_session_token(issuer.stream(fence=2), "ticks")
    assert refused(verifier, issuer.stream(fence=3)) == "busy"


def test_openings_are_remembered_for_as_long_as_they_would_be_good() -> None:
    issuer, start = Issuer("a"), int(time.time())
    now = [start]
    verifier = Verifier(URL, issuer.jwks, clock=lambda: now[0])
    token = issuer.stream()
    verifier.verify_session_token(token, "ticks")
    for now[0] in (start, start + 1, start + 60, start + 88):
        assert refused(verifier, token) == "replayed"
    now[0] = start + 91
    assert refused(verifier, token) == "expired"


def test_verifying_asks_nobody_and_an_unknown_key_hastens_the_next_fetch() -> None:
    old, following = Issuer("old"), Issuer("next")
    with Scripted(old.jwks, 200).serve() as jwks:
        verifier = connect(jwks, refresh_secs=0.3)
        assert len(jwks.seen) == 1
        verifier.verify_session_token(old.session(), "ticks")
        assert refused(verifier, following.session()) == "unknown_key"
        assert len(jwks.seen) == 1
        jwks.body = following.jwks
        jwks.asked_again(2)
        verifier.verify_session_token(following.session(), "ticks")
        assert refused(verifier, old.session()) == "unknown_key"
        verifier.close()


def test_a_long_interval_is_cut_short_by_an_unknown_key() -> None:
    old, following = Issuer("old"), Issuer("next")
    with Scripted(old.jwks, 200).serve() as jwks:
        verifier = connect(jwks, refresh_secs=3600)
        verifier._refresh._source.gap_min = 0.05  # of 10 s
        jwks.body = following.jwks
        assert refused(verifier, following.session()) == "unknown_key"
        jwks.asked_again()
        verifier.close()


def test_the_known_keys_stay_in_use_while_fetching_fails(caplog) -> None:
    issuer = Issuer("a")
    with Scripted(issuer.jwks, 200).serve() as jwks:
        verifier = connect(jwks)
        for jwks.status, jwks.body in ((500, ""), (200, "no JSON"), (200, '{"keys":[]}'), (302, issuer.jwks)):
            jwks.asked_again(2)
            verifier.verify_session_token(issuer.session(), "ticks")
        verifier.close()
    assert sum("the known keys stay in use" in line for line in caplog.messages) >= 7


def test_the_first_fetch_is_patient_and_says_at_last_what_was_wrong() -> None:
    with Scripted(Issuer("a").jwks, 503).serve() as jwks:
        assert failure(lambda: connect(jwks)) == "status"
        turns = threading.Thread(target=lambda: (jwks.asked_again(), setattr(jwks, "status", 200)))
        turns.start()
        connect(jwks, patience_secs=10).close()
        turns.join()
        jwks.body = "x" * 70_000
        assert failure(lambda: connect(jwks)) == "too_long"
    assert failure(lambda: connect(jwks)) == "unreachable"
    for url in ("pay.example", "ftp://h", "https://u:p@h", "https://h?a", "https://h#a", "https://", "https://h:x"):
        assert failure(lambda url=url: Verifier.connect(url)) == "url"


def test_the_thread_ends_with_its_verifier() -> None:
    with Scripted(Issuer("a").jwks, 200).serve() as jwks:
        before = threading.enumerate()
        verifier = connect(jwks)
        started = [thread for thread in threading.enumerate() if thread.name == "tollwire-keys" and thread not in before]
        assert len(started) == 1
        del verifier
        gc.collect()
        started[0].join(timeout=10)
        assert not started[0].is_alive()


def test_as_a_plain_function_over_a_verifier_that_was_installed() -> None:
    issuer = Issuer("a")
    with pytest.raises(VerifyError, match="no verifier is installed"):
        verify_session_token(issuer.session(), "ticks")
    verifier = Verifier(URL, issuer.jwks, accept="session-tokens")
    install(verifier)
    assert verify_session_token(issuer.session(), "ticks").feed == "ticks"
    assert failure(lambda: install(verifier)) == "installed"


def test_what_is_left_is_asked_of_the_facilitator() -> None:
    with Scripted('{"active":true,"units_remaining":3,"more":1}', 200).serve() as facilitator:
        status = check_online(facilitator.url, "a.b.c")
        assert (status.active, status.units_remaining, status.jti) == (True, 3, None)
        path, headers = facilitator.seen[0]
        assert path == "/session" and ("Authorization", "Bearer a.b.c") in headers
        for facilitator.status in (401, 403):
            assert not check_online(facilitator.url, "a.b.c").active
        facilitator.status = 503
        assert failure(lambda: check_online(facilitator.url, "a.b.c")) == "status"
        for facilitator.status, facilitator.body in ((200, "[]"), (200, "{}"), (200, '{"active":1}')):
            assert failure(lambda: check_online(facilitator.url, "a.b.c")) == "answer"
