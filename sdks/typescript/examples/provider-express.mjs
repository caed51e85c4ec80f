// A provider with Express and ws: a feed of ticks at /stream, gated, and the pre-auth route where agents pay.
// `npm run build && node examples/provider-express.mjs`; settings in ../../README.md.
import { createServer } from "node:http";
import { FeedGate, Verifier, gateUpgrade, preAuth } from "@tollwire/provider";
import express from "express";
import { WebSocketServer } from "ws";

const { FACILITATOR = "http://127.0.0.1:4020", LISTEN = "127.0.0.1:9100", FEED = "ticks", ACCEPT = "stream" } = process.env;
const { WALLET = "0x0000000000000000000000000000000000000000", DOOR = `ws://${LISTEN}/stream` } = process.env;

// The facilitator's public keys: fetched now, refreshed in the background, never on the way of a request.
const verifier = await Verifier.connect(FACILITATOR, { accept: `${ACCEPT}-tokens` });

// Agents pay at GET /feeds/{feed}/session.
const app = express();
app.use(preAuth(FACILITATOR, FEED, WALLET, { onSession: ({ session, deposited }) => console.log(`sold ${session} for ${deposited}`) }));

// Whoever gets through the gate has paid.
const sockets = new WebSocketServer({ noServer: true });
const server = createServer(app);
server.on(
  "upgrade",
  gateUpgrade(new FeedGate(verifier, FEED).at(DOOR), (request, socket, head, session) => {
    console.log(`${session.payer} opens ${session.feed}`);
    sockets.handleUpgrade(request, socket, head, ticks);
  }),
);

function ticks(socket) {
  let tick = 0;
  const send = () => socket.send(JSON.stringify({ tick: ++tick }));
  const timer = setInterval(send, 100);
  socket.on("close", () => clearInterval(timer));
  socket.on("error", () => socket.terminate());
  send();
}

const [host, port] = LISTEN.split(":");
server.listen(Number(port), host, () => console.log(`listening on ${host}:${server.address().port}`));
