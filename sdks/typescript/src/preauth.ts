import type { IncomingMessage } from "node:http";
import { SetupError } from "./errors.js";
import { get, join, type Answer } from "./fetch.js";
import { requireFeedId } from "./gate.js";
import type { Middleware } from "./middleware.js";
import { readPurchase, type Purchase } from "./purchase.js";
import { problem, type Refusal } from "./refusal.js";

/** Settings of the pre-auth route that have a default. */
export interface PreAuthOptions {
  /** Its path, if not `/feeds/{feed}/session`. */
  route?: string;
  /**
   * Called with every session that is sold through this route, beside the answer: the agent does not wait for it, and
   * nothing it does can lose what was paid. An agent that collects its answer again makes it run again.
   */
  onSession?: (purchase: Purchase) => void | Promise<void>;
  /** Where warnings go; `process.emitWarning` by default. */
  warn?: (message: string) => void;
}

/** Longer than the facilitator holds a payment for its outcome (30 s). */
const TIMEOUT_MS = 40_000;
const ANSWER_BYTES_MAX = 64 * 1024;
/** Requests waiting for the facilitator at once; one more is told to come back. */
const WAITING_MAX = 256;
const REQUEST_HEADERS = ["accept", "payment-signature", "x-payment", "tollwire-claim", "sign-in-with-x"];
const RESPONSE_HEADERS = [
  "content-type",
  "cache-control",
  "retry-after",
  "www-authenticate",
  "access-control-expose-headers",
  "payment-required",
  "payment-response",
  "x-payment-response",
];
const WALLET = /^[\x21-\x7e]{1,128}$/;
const AGAIN = "Repeat the request with the same payment, if it had one.";

/**
 * Middleware that serves the provider's own pre-auth route, `GET /feeds/{feed}/session`: agents get their 402, pay, and
 * receive their token there; the facilitator does the work. Only the headers of the payment travel.
 *
 * `publicUrl` is the facilitator's. The wallet decides nothing here: where the money goes is settled by the feed's
 * registration; it is handed to `onSession` with each purchase.
 *
 * @throws {SetupError} `url`, `setting`
 */
export function preAuth(publicUrl: string, feed: string, wallet: string, options: PreAuthOptions = {}): Middleware {
  requireFeedId(feed);
  if (!WALLET.test(wallet)) throw new SetupError("setting", "a wallet address is 1 to 128 visible ASCII characters");
  const forward = new Forward(join(publicUrl, `/feeds/${feed}/session`), feed, wallet, options);
  const route = options.route ?? `/feeds/${feed}/session`;
  return (request, response, next) => {
    if (request.method !== "GET" || request.url?.split("?", 1)[0] !== route) return next();
    forward.answer(request).then(({ status, headers, body }) => response.writeHead(status, headers).end(body), next);
  };
}

/** Asks the facilitator in the agent's place and brings its answer back. */
class Forward {
  private waiting = 0;
  private running = 0;
  private readonly warn: (message: string) => void;

  constructor(
    private readonly url: string,
    private readonly feed: string,
    private readonly wallet: string,
    private readonly options: PreAuthOptions,
  ) {
    this.warn = options.warn ?? ((message) => process.emitWarning(message, "TollwireWarning"));
  }

  async answer(request: IncomingMessage): Promise<Refusal | Passed> {
    if (this.waiting >= WAITING_MAX) return again(503, "busy", "Too many payments are under way.");
    this.waiting += 1;
    try {
      return this.pass(await get(this.url, requestHeaders(request), ANSWER_BYTES_MAX, TIMEOUT_MS));
    } catch (error) {
      this.warn(`${String(error)}: no answer for the pre-auth route of ${this.feed}`);
      // Never a fresh 402: what was signed may have been settled, and the same payment collects it.
      const status = error instanceof SetupError && error.reason === "timeout" ? 504 : 502;
      return again(status, "facilitator_unavailable", AGAIN);
    } finally {
      this.waiting -= 1;
    }
  }

  private pass({ status, headers, body }: Answer): Refusal | Passed {
    if (status !== 200 && (status < 400 || status > 599)) {
      this.warn(`unexpected status ${status} of the facilitator for ${this.feed}`);
      return again(502, "facilitator_unavailable", "Repeat the request.");
    }
    if (status === 200) this.sold(body);
    // A token must not be cached, whatever the facilitator forgot.
    const passed: Record<string, string> = { "cache-control": "private, no-store" };
    for (const name of RESPONSE_HEADERS) {
      const value = headers.get(name);
      if (value !== null) passed[name] = value;
    }
    return { status, headers: passed, body };
  }

  private sold(body: Uint8Array): void {
    const callback = this.options.onSession;
    if (callback === undefined) return;
    const purchase = readPurchase(body, this.wallet);
    if (purchase?.feed !== this.feed) {
      this.warn(`the facilitator's 200 does not describe a session of ${this.feed}`);
    } else if (this.running >= WAITING_MAX) {
      this.warn(`too many callbacks run; that of session ${purchase.session} is skipped`);
    } else {
      this.running += 1;
      void this.call(callback, purchase).finally(() => (this.running -= 1));
    }
  }

  private async call(callback: (purchase: Purchase) => void | Promise<void>, purchase: Purchase): Promise<void> {
    try {
      await callback(purchase);
    } catch (error) {
      this.warn(`onSession: ${String(error)}`);
    }
  }
}

interface Passed {
  status: number;
  headers: Record<string, string>;
  body: Uint8Array;
}

/** The headers of a closed list, each with all its values: whoever reads them decides about repetitions. */
function requestHeaders(request: IncomingMessage): Headers {
  const headers = new Headers();
  for (const name of REQUEST_HEADERS) {
    for (const value of request.headersDistinct[name] ?? []) headers.append(name, value);
  }
  return headers;
}

function again(status: number, code: string, detail: string): Refusal {
  const answer = problem(status, code, detail);
  answer.headers["Retry-After"] = "2";
  return answer;
}
