import type { IncomingMessage } from "node:http";
import { VerifyError } from "./errors.js";

/** A request's token, and the scheme it came by. */
export interface Credentials {
  token: string;
  /** True for `Authorization: DPoP`: the token of a holder who proves a key. */
  bound: boolean;
}

/**
 * The request's token, if it has one: `?token=`, `Authorization: Bearer` or `Authorization: DPoP`. Two tokens anywhere
 * are refused: which of them counts must not depend on who reads the request.
 *
 * @throws {VerifyError} `ambiguous`
 */
export function extractToken(request: IncomingMessage): Credentials | undefined {
  const [query, header] = [fromQuery(request.url ?? ""), fromHeader(request)];
  if (query !== undefined && header !== undefined) throw new VerifyError("ambiguous");
  return query ?? header;
}

/**
 * The request's DPoP proof, if its token came as `Authorization: DPoP`. One that comes with a token of another kind proves
 * nothing, and is none.
 *
 * @throws {VerifyError} `proof_required`, or `proof_malformed` if there are two
 */
export function extractProof(request: IncomingMessage): string | undefined {
  if (fromHeader(request)?.bound !== true) return undefined;
  const [proof, second] = request.headersDistinct["dpop"] ?? [];
  if (second !== undefined) throw new VerifyError("proof_malformed");
  if (proof === undefined) throw new VerifyError("proof_required");
  return proof;
}

/** Removes the token and its proof from a request, so that nothing behind logs or forwards them. */
export function stripToken(request: IncomingMessage): void {
  remove(request, "dpop");
  if (isCredentials(request)) remove(request, "authorization");
  const message = request as IncomingMessage & { originalUrl?: unknown; query?: unknown };
  if (request.url !== undefined) request.url = withoutToken(request.url);
  if (typeof message.originalUrl === "string") message.originalUrl = withoutToken(message.originalUrl);
  // Express 4 has parsed the query by now.
  const query: unknown = message.query;
  if (typeof query === "object" && query !== null) delete (query as Record<string, unknown>)["token"];
}

function fromQuery(url: string): Credentials | undefined {
  const [token, second] = pairs(url).filter(isToken);
  if (second !== undefined) throw new VerifyError("ambiguous");
  return token === undefined ? undefined : { token: token.slice("token=".length), bound: false };
}

function fromHeader(request: IncomingMessage): Credentials | undefined {
  // `headers` drops all but the first.
  const [value, second] = request.headersDistinct["authorization"] ?? [];
  if (second !== undefined) throw new VerifyError("ambiguous");
  const [, scheme = "", token = ""] = /^([^ ]*)(?: (.*))?$/s.exec(value ?? "") ?? [];
  const name = scheme.toLowerCase();
  if (name !== "bearer" && name !== "dpop") return undefined;
  return { token: token.replace(/^ +| +$/g, ""), bound: name === "dpop" };
}

function isCredentials(request: IncomingMessage): boolean {
  try {
    return fromHeader(request) !== undefined; // or another scheme: the provider's own
  } catch {
    return true;
  }
}

function remove(request: IncomingMessage, name: string): void {
  delete request.headers[name];
  delete request.headersDistinct[name];
  for (let i = request.rawHeaders.length - 2; i >= 0; i -= 2) {
    if (request.rawHeaders[i]?.toLowerCase() === name) request.rawHeaders.splice(i, 2);
  }
}

function pairs(url: string): string[] {
  const at = url.indexOf("?");
  return at < 0 ? [] : url.slice(at + 1).split("&");
}

function isToken(pair: string): boolean {
  return pair.split("=", 1)[0] === "token";
}

function withoutToken(url: string): string {
  const all = pairs(url);
  const rest = all.filter((pair) => !isToken(pair));
  if (rest.length === all.length) return url;
  const path = url.slice(0, url.indexOf("?"));
  return rest.length === 0 ? path : `${path}?${rest.join("&")}`;
}
