"""Makes 20 calls at once over one WebSocket, the slowest first, and compares the bytes of a body."""

import asyncio
import json
import os

from websockets.asyncio.client import connect

BODY = '{"b":1.0,"a":12345678901234567890123,"x":1e400}'


async def main() -> None:
    async with connect(os.environ["SOCKET_URL"]) as socket:
        for number in range(20):
            path = f"/slow?{2000 - 90 * number}"
            params = {"apiId": "demo", "path": path, "requestHeaders": {"Accept": "application/json"}}
            await socket.send(json.dumps({"id": number, "method": "relay.call", "params": params}))
        answers = [json.loads(await socket.recv()) for _ in range(20)]
        await socket.send(
            '{"id":"bytes","method":"relay.call","params":'
            '{"apiId":"demo","path":"/echo","requestMethod":"POST","requestBody":' + BODY + "}}"
        )
        echoed = await socket.recv()
    ids = [answer["id"] for answer in answers]
    print(json.dumps({
        "answered": len(set(ids)),
        "in_order": ids == sorted(ids),
        "same_bytes": f'"result":{BODY},"metadata"' in echoed,
        "close_code": socket.close_code,
    }))


asyncio.run(main())
