import type { SessionContext } from "./context.js";
import { SetupError, VerifyError } from "./errors.js";
import type { Verifier } from "./verifier.js";

let installed: Verifier | undefined;

/**
 * Installs the verifier that {@link verifySessionToken} uses. Once per process.
 *
 * @throws {SetupError} `installed`
 */
export function install(verifier: Verifier): void {
  if (installed !== undefined) throw new SetupError("installed", "a verifier is installed already");
  installed = verifier;
}

/**
 * Verifies a token for a feed with the installed verifier.
 *
 * @throws {VerifyError}
 */
export async function verifySessionToken(token: string, feedId: string): Promise<SessionContext> {
  if (installed === undefined) throw new VerifyError("not_installed");
  return installed.verifySessionToken(token, feedId);
}
