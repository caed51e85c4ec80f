import { SetupError } from "./errors.js";

/** An answer whose body has been read whole. */
export interface Answer {
  status: number;
  headers: Headers;
  body: Uint8Array;
}

/**
 * `GET`, whatever the status; no redirect is followed. The whole exchange ends within `timeoutMs`, and a body beyond
 * `bytesMax` is an error.
 *
 * @throws {SetupError} `timeout`, `too_long` or `unreachable`
 */
export async function get(url: string, headers: Headers, bytesMax: number, timeoutMs: number): Promise<Answer> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(url, { headers, redirect: "manual", signal });
    return { status: response.status, headers: response.headers, body: await read(response, bytesMax) };
  } catch (cause) {
    if (cause instanceof SetupError) throw cause;
    if (cause instanceof Error && cause.name === "TimeoutError") {
      throw new SetupError("timeout", "the facilitator did not answer in time", { cause });
    }
    throw new SetupError("unreachable", "the facilitator cannot be reached", { cause });
  }
}

async function read(response: Response, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > bytesMax) throw new SetupError("too_long", `the facilitator's answer is longer than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * `base` and a path below it.
 *
 * @throws {SetupError} `url`
 */
export function join(base: string, path: string): string {
  const url = URL.canParse(base) ? new URL(base) : undefined;
  const plain = url !== undefined && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "";
  if (!plain || /[?#]/.test(base)) {
    throw new SetupError("url", "an absolute http:// or https:// URL without credentials is expected");
  }
  return base.replace(/\/+$/, "") + path;
}
