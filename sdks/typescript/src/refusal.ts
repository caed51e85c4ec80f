import { STATUS_CODES } from "node:http";
import { VerifyError } from "./errors.js";

/** An HTTP answer, ready to be written. */
export interface Refusal {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** The whole refusal as `application/problem+json` (RFC 9457), with what headers its status calls for. */
export function refusal(error: VerifyError): Refusal {
  const answer = problem(error.status, error.reason, error.message);
  const { headers } = answer;
  if (error.sessionUrl !== undefined) headers["Link"] = `<${error.sessionUrl}>; rel="payment"`;
  if (error.reason === "busy") headers["Retry-After"] = "1";
  if (error.reason === "missing") headers["WWW-Authenticate"] = "Bearer";
  else if (error.reason === "proof_required") {
    headers["WWW-Authenticate"] = 'DPoP error="invalid_token", algs="EdDSA ES256"';
  } else if (error.reason.startsWith("proof_")) {
    headers["WWW-Authenticate"] = 'DPoP error="invalid_dpop_proof", algs="EdDSA ES256"';
  } else if (error.status === 401) headers["WWW-Authenticate"] = 'Bearer error="invalid_token"';
  return answer;
}

/** An RFC 9457 answer that nobody may cache. */
export function problem(status: number, code: string, detail: string): Refusal {
  const title = STATUS_CODES[status] ?? "Error";
  const body = JSON.stringify({ type: "about:blank", title, status, detail, code });
  const headers = {
    "Content-Type": "application/problem+json",
    "Cache-Control": "no-store",
    "Content-Length": String(Buffer.byteLength(body)),
  };
  return { status, headers, body };
}
