"""An app and an agent over one broker, by `websockets`: a streamed answer, and one that waits for a reconnect."""

import asyncio
import json
import os

from websockets.asyncio.client import connect

PAYLOAD = '{"b":1.0,"a":12345678901234567890123,"x":1e400}'
EVENT = '{"type":"event","agent_id":"athena","thread_id":"task:42","payload":' + PAYLOAD + "}"


async def frames(socket, *kinds):
    """Frames of these types; the broker's pings are answered."""
    async for text in socket:
        frame = json.loads(text)
        if frame["type"] == "ping":
            await socket.send('{"type":"pong"}')
        if frame["type"] in kinds:
            yield text, frame


async def main() -> None:
    told = {}
    headers = {"Authorization": "Bearer " + os.environ["AGENT_TOKEN"]}
    async with connect(os.environ["AGENT_URL"], additional_headers=headers) as agent:
        async with connect(os.environ["APP_URL"]) as app:
            await app.send(EVENT)
            async for text, frame in frames(agent, "event"):
                told["same_to_agent"] = f'"payload":{PAYLOAD}' in text
                for token in ["Got ", "it."]:
                    await agent.send(json.dumps({"type": "token", "event_id": frame["event_id"], "token": token}))
                reader = asyncio.create_task(drain(agent))
                await asyncio.sleep(1)  # longer than two heartbeats: pings are answered
                reader.cancel()
                answer = {"type": "reply", "event_id": frame["event_id"], "content": "Got it.", "done": True}
                await agent.send(json.dumps(answer))
                break
            told["text"] = ""
            async for text, frame in frames(app, "token", "reply"):
                if frame["type"] == "token":
                    told["text"] += frame["token"]
                    continue
                told["same_back"] = f'"payload":{PAYLOAD}' in text
                told["reply"] = frame["content"]
                break
            await app.send(EVENT)
            async for text, frame in frames(app, "accepted"):
                break
        async for text, frame in frames(agent, "event"):
            answer = {"type": "reply", "event_id": frame["event_id"], "content": "later", "done": True}
            await agent.send(json.dumps(answer))
            break
        async with connect(os.environ["APP_URL"]) as app:
            async for text, frame in frames(app, "reply"):
                told["kept"] = frame["content"]
                break
    print(json.dumps(told))


async def drain(socket) -> None:
    async for _ in frames(socket):
        pass


asyncio.run(main())
