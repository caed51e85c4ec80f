// Opens a paid stream with the npm package `ws` and reads its first messages.
import { on } from "node:events";
import WebSocket from "ws";

export async function readFrames(url, token, count) {
  const stream = new WebSocket(url, { headers: { authorization: `Bearer ${token}` } });
  const frames = [];
  for await (const [data] of on(stream, "message")) {
    frames.push(JSON.parse(data));
    if (frames.length === count) break;
  }
  stream.close();
  return frames;
}
