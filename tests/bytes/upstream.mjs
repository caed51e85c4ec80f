// An upstream by the npm package `ws`: it sends every message back, tells what it agreed to and how many bytes came,
// and closes when told to. With CERT and KEY it speaks TLS.
import { readFileSync } from "node:fs";
import { createServer as http } from "node:http";
import { createServer as https } from "node:https";
import { WebSocketServer } from "ws";

const { CERT, KEY, COMPRESS, PROTOCOL } = process.env;

const server = CERT ? https({ cert: readFileSync(CERT), key: readFileSync(KEY) }) : http();
const sockets = new WebSocketServer({
  server,
  maxPayload: 16 << 20,
  perMessageDeflate: JSON.parse(COMPRESS ?? "false"),
  handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
});

sockets.on("connection", (socket, request) => {
  socket.on("message", (data, isBinary) => {
    const [command, ...words] = isBinary || data.length > 200 ? [] : data.toString().split(" ");
    if (command === "report") {
      const { extensions, protocol } = socket;
      const { bytesRead, bytesWritten } = request.socket;
      socket.send(JSON.stringify({ extensions, protocol, bytesRead, bytesWritten }));
    } else if (command === "close") {
      socket.close(Number(words[0]), words.slice(1).join(" "));
    } else {
      socket.send(data, { binary: isBinary });
    }
  });
});

server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
