"""Somebody's API, made with Flask and the Python package x402, settled by the facilitator it is told."""

import os

from flask import Flask
from werkzeug.serving import make_server
from x402 import x402ResourceServerSync
from x402.http import HTTPFacilitatorClientSync
from x402.http.middleware.flask import payment_middleware
from x402.mechanisms.evm.exact.server import ExactEvmScheme

network = os.environ["NETWORK"]
headers = {"Authorization": f"Bearer {os.environ['API_KEY']}"}
facilitator = HTTPFacilitatorClientSync({
    "url": os.environ["FACILITATOR_URL"],
    "create_headers": lambda: {"verify": headers, "settle": headers, "supported": headers},
})
resources = x402ResourceServerSync(facilitator).register(network, ExactEvmScheme())

app = Flask(__name__)


@app.get("/weather")
def weather() -> dict[str, str]:
    return {"weather": "fair"}


accepts = {
    "scheme": "exact",
    "price": os.environ["PRICE"],
    "network": network,
    "payTo": os.environ["PAY_TO"],
}
payment_middleware(app, {"GET /weather": {"accepts": accepts, "description": "Weather"}}, resources)

server = make_server("127.0.0.1", 0, app, threaded=True)
print(f"listening on {server.port}", flush=True)
server.serve_forever()
