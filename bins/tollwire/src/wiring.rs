//! From the command line to a payer, and the commands that are one call each.

use crate::cli::{PayArguments, SessionArguments, TopUpArguments};
use crate::failure::Failure;
use crate::output;
use crate::state::State;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use tollwire_client::{Budget, Config, Payer, Session, Signed, Wallet, session_url};
use tollwire_ops::secret::SecretRef;
use tollwire_session::dpop::DpopKey;
use tollwire_session::{Algorithm, SigningKey};
use tollwire_x402::{Network, SolanaCluster};

/// The networks that are paid on if none are named, as far as the key is theirs.
const NETWORKS: [Network; 4] = [
    Network::BASE,
    Network::BASE_SEPOLIA,
    Network::Solana(SolanaCluster::Mainnet),
    Network::Solana(SolanaCluster::Devnet),
];

/// `--dpop` without a path.
const NO_FILE: &str = "-";

/// Who pays, and where it is written down.
pub(crate) struct Wired {
    pub(crate) payer: Payer,
    pub(crate) state: State,
    /// The session that was kept.
    pub(crate) session: Option<Session>,
}

/// Reads keys and files, and makes the payer. `adjust` sets what is particular to a command.
pub(crate) async fn wire(
    arguments: PayArguments,
    adjust: impl FnOnce(&mut Config),
) -> Result<Wired, Failure> {
    let resumes = arguments.resume.is_some();
    let state = State::open(arguments.resume)?;
    let kept = state.kept();
    let mut budget = Budget::new(arguments.per_payment.unwrap_or(arguments.max), arguments.max);
    if let Some(most) = arguments.price_max {
        budget = budget.with_price_max(most);
    }
    let budget = budget.with_spent(kept.spent);
    let wallet = wallet(&arguments.key)?;
    let networks = match arguments.network {
        networks if networks.is_empty() => {
            NETWORKS.into_iter().filter(|network| wallet.pays_on(*network)).collect()
        }
        networks => networks,
    };
    let mut config = Config::new(networks);
    config.allow_plain = arguments.allow_plain;
    config.solana_rpc = arguments.solana_rpc.as_deref().map(address).transpose()?;
    if let Some(path) = &arguments.roots {
        let roots = std::fs::read_to_string(path);
        config.roots_pem =
            Some(roots.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?);
    }
    if let Some(path) = &arguments.dpop {
        if resumes && path == Path::new(NO_FILE) {
            return Err(Failure::Usage("--dpop: with --resume the key must last: --dpop=PATH".into()));
        }
        config = config.dpop(dpop_key(path)?);
    }
    adjust(&mut config);
    let (journal, account) = (state.clone(), budget.clone());
    config.on_signed = Some(Signed::new(move |payment| journal.signed(payment, &account)));
    let payer = Payer::new(wallet, budget, config)?;
    let session = match kept.session {
        Some(saved) => Some(payer.restore(saved).await?),
        None => None,
    };
    if let Some(pending) = &kept.pending {
        payer.adopt(pending, session.as_ref()).await?;
    }
    Ok(Wired { payer, state, session })
}

/// The paying wallet.
fn wallet(key: &str) -> Result<Wallet, Failure> {
    if key == "random" {
        return Ok(Wallet::random()?);
    }
    let place: SecretRef = key.parse().map_err(|reason| Failure::Usage(format!("--key: {reason}")))?;
    Ok(Wallet::of(place.read(Path::new("."))?.expose())?)
}

/// An address as it is written, or in a variable, as it may hold an access key.
fn address(text: &str) -> Result<String, Failure> {
    let Some(name) = text.strip_prefix("env:") else { return Ok(text.to_owned()) };
    std::env::var(name).map_err(|_| Failure::Usage(format!("--solana-rpc: {name} is not set")))
}

/// The DPoP key in a file; a new one if there is no file yet, or none is to be.
fn dpop_key(path: &Path) -> Result<DpopKey, Failure> {
    let usage = |error: tollwire_session::Error| Failure::Usage(format!("--dpop: {error}"));
    let io = |error| Failure::Io(path.display().to_string(), error);
    if path == Path::new(NO_FILE) {
        return DpopKey::generate(Algorithm::EdDsa).map_err(usage);
    }
    match std::fs::read_to_string(path) {
        Ok(pem) => SigningKey::from_pem(&pem).map(DpopKey::new).map_err(usage),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = SigningKey::generate(Algorithm::EdDsa).map_err(usage)?;
            let pem = key.to_pem().map_err(usage)?;
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
            file.write_all(pem.as_str().as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
            Ok(DpopKey::new(key))
        }
        Err(error) => Err(io(error)),
    }
}

impl Wired {
    /// The session to use at an address: the one that was kept, one that the wallet has there (`sign_in`), or one that
    /// is bought now. What was paid for it now is the budget's to say.
    pub(crate) async fn obtain(&mut self, url: &str, sign_in: bool) -> Result<Session, Failure> {
        let url = session_url(url)?;
        if let Some(session) = self.session.take() {
            return if session.url() == url {
                Ok(session)
            } else {
                Err(Failure::Usage(format!("the kept session is of {}; use another file", session.url())))
            };
        }
        let found = if sign_in { self.payer.sign_in(&url).await? } else { None };
        let session = match found {
            Some(session) => session,
            None => self.payer.buy(&url).await?,
        };
        self.state.session(&session, true)?;
        Ok(session)
    }
}

/// `tollwire session`.
pub(crate) async fn buy(arguments: SessionArguments) -> Result<(), Failure> {
    let mut wired = wire(arguments.pay, |_| {}).await?;
    let session = wired.obtain(&arguments.url, arguments.sign_in).await?;
    output::result(&output::session(&session))
}

/// `tollwire top-up`.
pub(crate) async fn top_up(arguments: TopUpArguments) -> Result<(), Failure> {
    let mut wired = wire(arguments.pay, |_| {}).await?;
    let found = match (&arguments.url, wired.session.take()) {
        (_, Some(session)) => Some(session),
        (Some(url), None) => wired.payer.sign_in(&session_url(url)?).await?,
        (None, None) => None,
    };
    let Some(mut session) = found else {
        return Err(Failure::Usage(
            "no session to top up: give --resume FILE, or the URL of a feed that was paid".into(),
        ));
    };
    let done = wired.payer.top_up(&mut session).await?;
    wired.state.session(&session, true)?;
    let mut result = output::session(&session);
    result["paid"] = serde_json::json!(done.paid);
    result["receipt"] = serde_json::json!(done.receipt.as_ref().map(tollwire_client::Receipt::as_str));
    output::result(&result)
}
