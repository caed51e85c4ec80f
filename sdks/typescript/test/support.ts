// What the tests share: a facilitator as far as a provider sees it.
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createHash, randomUUID } from "node:crypto";
import { CompactSign, exportJWK, generateKeyPair, type CryptoKey } from "jose";

export const URL_ = "https://pay.example";
export const PAYER = "0x857b06519e91e3a54538791bdbb0e22373e36b66";

/** A key that signs tokens. */
export class Issuer {
  private constructor(
    readonly kid: string,
    private readonly key: CryptoKey,
    readonly jwk: object,
  ) {}

  static async create(kid: string): Promise<Issuer> {
    const { privateKey, publicKey } = await generateKeyPair("EdDSA", { extractable: true });
    const { kty, crv, x } = await exportJWK(publicKey);
    return new Issuer(kid, privateKey, { kty, crv, x, kid, use: "sig", alg: "EdDSA" });
  }

  get jwks(): string {
    return JSON.stringify({ keys: [this.jwk] });
  }

  async stream(feed: string, fence: number, jti: string = randomUUID()): Promise<string> {
    const iat = Math.floor(Date.now() / 1000);
    const claims = { iss: URL_, aud: feed, sub: PAYER, jti, stream: "0123456789abcdef", fence, feed, iat, exp: iat + 60 };
    return this.sign("tollwire-stream+jwt", claims);
  }

  /** Bound to the key of this thumbprint, if there is one. */
  async session(feed: string, jkt?: string): Promise<string> {
    const iat = Math.floor(Date.now() / 1000);
    return this.sign("tollwire-session+jwt", {
      iss: URL_,
      aud: URL_,
      sub: PAYER,
      jti: randomUUID(),
      feed,
      deposited: "$10.00",
      streams_remaining: 10,
      unit: "stream",
      network: "eip155:8453",
      chain: "base",
      iat,
      nbf: iat,
      exp: iat + 60,
      gen: 0,
      ...(jkt === undefined ? {} : { cnf: { jkt } }),
    });
  }

  private sign(typ: string, claims: object): Promise<string> {
    const header = { alg: "EdDSA", typ, kid: this.kid };
    return new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader(header).sign(this.key);
  }
}

/** An agent's key for DPoP proofs. */
export class Holder {
  private constructor(
    private readonly key: CryptoKey,
    private readonly jwk: object,
  ) {}

  static async create(): Promise<Holder> {
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    const { crv, kty, x, y } = await exportJWK(publicKey);
    return new Holder(privateKey, { crv, kty, x, y });
  }

  get jkt(): string {
    return hash(JSON.stringify(this.jwk));
  }

  /** A proof for a GET of this URL with this token. */
  async prove(url: string, token: string, jti: string): Promise<string> {
    const claims = { jti, htm: "GET", htu: url, iat: Math.floor(Date.now() / 1000), ath: hash(token) };
    const header = { typ: "dpop+jwt", alg: "ES256", jwk: this.jwk };
    return new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader(header).sign(this.key);
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

/** A server on a free port of this machine. */
export class Served {
  /** Where it listens, or listened. */
  readonly port: number;

  private constructor(private readonly server: Server) {
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(listener: RequestListener | Server): Promise<Served> {
    const server = typeof listener === "function" ? createServer(listener) : listener;
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    return new Served(server);
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** A JWKS endpoint whose answer changes, and which counts. */
export class Jwks {
  asked = 0;
  private waiting: (() => void)[] = [];

  constructor(
    public body: string,
    public status = 200,
  ) {}

  readonly listener: RequestListener = (request, response) => {
    this.asked += 1;
    response.writeHead(request.url === "/.well-known/jwks.json" ? this.status : 404).end(this.body);
    for (const resume of this.waiting.splice(0)) resume();
  };

  /** Waits until it has been asked this often from now on. */
  async askedAgain(times: number): Promise<void> {
    for (const goal = this.asked + times; this.asked < goal; ) {
      await new Promise<void>((resume) => this.waiting.push(resume));
    }
  }
}

/** A refused upgrade's or a request's answer. */
export async function problemOf(response: Response): Promise<{ status: number; code: string }> {
  const body = (await response.json()) as { code: string; status: number };
  return { status: response.status, code: body.code };
}


