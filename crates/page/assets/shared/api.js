// Requests to the admin API, and the token that they carry. The token is in memory and in `sessionStorage`, so that
// this tab alone can reload; it is sent in `Authorization` and never stands in a URL or a cookie.

const PLACE = "tollwire-admin-token";
const PATIENCE = 120_000;

let token = sessionStorage.getItem(PLACE);
let signedOut = () => {};

/** What went wrong with a request: `status` 0 if nobody answered. `field` is the member that a message names. */
export class ApiError extends Error {
  constructor(status, kind, detail) {
    super(detail);
    this.status = status;
    this.kind = kind;
    this.field = /^([a-z_]{2,32}): /.exec(detail)?.[1] ?? null;
  }

  /** The message without the field's name. */
  get rule() {
    return this.field ? this.message.slice(this.field.length + 2) : this.message;
  }
}

export const isSignedIn = () => token !== null;

/** What to do when the token is not taken any more. */
export function onSignedOut(what) {
  signedOut = what;
}

/** Tries a token; keeps it if it is taken. */
export async function signIn(candidate, path) {
  await send("GET", path, undefined, candidate);
  token = candidate;
  sessionStorage.setItem(PLACE, candidate);
}

export function signOut() {
  token = null;
  sessionStorage.removeItem(PLACE);
  signedOut();
}

export const get = (path) => request("GET", path);
export const post = (path, body) => request("POST", path, body);
export const patch = (path, body) => request("PATCH", path, body);
export const remove = (path) => request("DELETE", path);

async function request(method, path, body) {
  try {
    return await send(method, path, body, token);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) signOut();
    throw error;
  }
}

async function send(method, path, body, bearer) {
  const headers = { Accept: "application/json" };
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch {
    throw new ApiError(0, "unreachable", "The server does not answer.");
  }
  const text = await answer.text();
  if (!answer.ok) throw refusal(answer.status, text);
  return (answer.headers.get("content-type") ?? "").includes("json") && !path.includes("/audit")
    ? JSON.parse(text)
    : text;
}

function refusal(status, text) {
  try {
    const problem = JSON.parse(text);
    const kind = String(problem.type ?? "").split(":").pop();
    return new ApiError(status, kind, String(problem.detail ?? problem.title ?? status));
  } catch {
    return new ApiError(status, "unknown", `The server answered ${status}.`);
  }
}

/** A path with a query; what is empty is left out. */
export function query(path, parameters) {
  const pairs = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(pairs).toString();
  return text ? `${path}?${text}` : path;
}
