import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { STATUS_CODES } from "node:http";
import type { SessionContext } from "./context.js";
import { VerifyError } from "./errors.js";
import type { FeedGate } from "./gate.js";
import { refusal } from "./refusal.js";

/** Middleware of Express, of connect, and of a plain `http` server. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/** What serves an upgrade that was admitted; `socket` and `head` are those of the `upgrade` event. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer, session: SessionContext) => void;

/** Middleware that gates a route: `sessionOf(request)` says who is behind it. */
export function requireSession(gate: FeedGate): Middleware {
  return (request, response, next) => {
    gate.admit(request).then(
      () => next(),
      (error: unknown) => {
        if (!(error instanceof VerifyError)) return next(error);
        const { status, headers, body } = refusal(error);
        response.writeHead(status, headers).end(body);
      },
    );
  };
}

/** A listener for `server.on("upgrade", ...)` that gates every upgrade, and refuses over HTTP. */
export function gateUpgrade(gate: FeedGate, serve: Upgrade): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
  return (request, socket, head) => {
    const lost = () => socket.destroy();
    socket.on("error", lost); // a reset while we verify
    gate.admit(request).then(
      (session) => {
        socket.off("error", lost);
        if (!socket.destroyed) serve(request, socket, head, session);
      },
      (error: unknown) => refuse(socket, error),
    );
  };
}

function refuse(socket: Duplex, error: unknown): void {
  if (!(error instanceof VerifyError)) {
    socket.destroy();
    return;
  }
  const { status, headers, body } = refusal(error);
  socket.once("finish", () => socket.destroy()); // the server's sockets stay half open
  const lines = Object.entries({ ...headers, Connection: "close" }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Error"}\r\n${lines.join("")}\r\n${body}`);
}
