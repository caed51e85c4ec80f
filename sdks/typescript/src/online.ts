import { SetupError } from "./errors.js";
import { get, join } from "./fetch.js";

/** What the facilitator says about a session. Members beyond `active` may be missing when it is not. */
export interface SessionStatus {
  /** Whether the session can still be used. */
  active: boolean;
  jti?: string;
  feed?: string;
  /** Units neither used nor held. */
  units_remaining?: number;
  live_streams?: number;
  /** When its tokens stop admitting (RFC 3339). */
  expires_at?: string;
}

const ANSWER_BYTES_MAX = 16 * 1024;
const TIMEOUT_MS = 10_000;

/**
 * Asks the facilitator what is left of a session: for providers that take session tokens themselves. A token that it
 * refuses (401, 403) is not active; every other failure is an error, and says nothing about the session.
 *
 * @throws {SetupError}
 */
export async function checkOnline(publicUrl: string, token: string): Promise<SessionStatus> {
  if (!/^[\x21-\x7e]*$/.test(token)) throw new SetupError("setting", "a token is visible ASCII");
  const headers = new Headers({ authorization: `Bearer ${token}` });
  const { status, body } = await get(join(publicUrl, "/session"), headers, ANSWER_BYTES_MAX, TIMEOUT_MS);
  if (status === 401 || status === 403) return { active: false };
  if (status !== 200) throw new SetupError("status", `the facilitator answered with status ${status}`);
  try {
    const answer: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
    if (typeof (answer as SessionStatus).active === "boolean") return answer as SessionStatus;
  } catch (cause) {
    throw new SetupError("answer", "the facilitator's answer is not understood", { cause });
  }
  throw new SetupError("answer", "the facilitator's answer is not understood");
}
