//! The command line.

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use tollwire_ops::manual::Shell;
use tollwire_ops::secret::SecretRef;
use tollwire_relay::bridge::{AgentId, AppId};

/// Carries many API calls over one WebSocket, and the same calls over HTTP.
#[derive(Debug, Parser)]
#[command(name = "relay-broker", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell the story in one process: twenty paid calls at once over one socket, one whose socket is cut, an app whose agent is
    /// away when it is asked, a person who is asked before it costs anything, and two agents that negotiate while one's socket
    /// is cut.
    Demo,
    /// Serve a sample API and a demo agent on this machine and print what to try.
    Dev {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:4030")]
        listen: SocketAddr,
    },
    /// Serve what a configuration file says.
    Serve {
        /// The file (docs/relay-broker.md).
        #[arg(long)]
        config: PathBuf,
    },
    /// Read a configuration file as `serve` would, bind nothing, and warn of likely mistakes.
    Check {
        /// The file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Print what a shell needs to complete this command.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Write the manual pages, one for each command, into a folder.
    Manual {
        /// The folder; made if it is missing.
        #[arg(long)]
        out: PathBuf,
    },
    /// Apps that send to agents.
    #[command(subcommand)]
    App(AppCommand),
    /// Sessions between agents.
    #[command(subcommand)]
    Asp(AspCommand),
    /// Agents that answer apps.
    #[command(subcommand)]
    Agent(AgentCommand),
    /// People who talk to the orchestrator.
    #[command(subcommand)]
    Person(PersonCommand),
    /// Be the orchestrator's brain: an example that chooses agents by the words of a message, without a language model.
    Brain {
        /// Where agents connect, such as ws://127.0.0.1:4030/v1/ws/agent.
        #[arg(long)]
        url: String,
        /// The environment variable that holds the agent's token.
        #[arg(long, default_value = "TOLLWIRE_BRAIN_TOKEN")]
        token: String,
    },
}

/// What is done about agent sessions, without a running broker.
#[derive(Debug, Subcommand)]
pub(crate) enum AspCommand {
    /// Verify an exported session: order, chain, signatures, states, and that its end is there. Names the first bad message.
    Verify {
        /// A file, or an http:// or https:// URL; of a running broker's session, its URL: https://HOST/v1/asp/sessions/ID.
        from: String,
        /// The key that must have signed it, in hexadecimal; else those that the URL's host publishes, or, of a file, its own.
        #[arg(long)]
        key: Option<String>,
        /// Ask a running broker as this client, which takes part in the session.
        #[arg(long, value_name = "CLIENT_ID", requires = "secret")]
        client: Option<String>,
        /// Where the client's secret is: env:NAME or file:PATH.
        #[arg(long, value_name = "env:NAME|file:PATH", requires = "client")]
        secret: Option<SecretRef>,
    },
    /// Print a random secret, for `signing_key` or for a client, and its hash, for `[[asp.client]]`.
    Secret,
}

/// The broker that is asked.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// Its configuration file: it says where the running broker's admin listener is.
    #[arg(long)]
    pub(crate) config: PathBuf,
}

/// What is done with an app.
#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// Register an app and print its token, this once.
    Add {
        /// Its name: a-z, 0-9 and -.
        id: AppId,
        /// Whose it is.
        #[arg(long)]
        org: Option<String>,
        /// Ask nobody: print the token, and its hash for `[[app]]` in the file.
        #[arg(long)]
        print: bool,
        #[command(flatten)]
        asked: Asked,
    },
    /// Print another token; older ones stay good for a while.
    Rotate {
        /// Its name.
        id: AppId,
        #[command(flatten)]
        asked: Asked,
    },
    /// Make all its tokens worthless; its connections end.
    Revoke {
        /// Its name.
        id: AppId,
        #[command(flatten)]
        asked: Asked,
    },
    /// List all, a line of JSON each.
    List {
        #[command(flatten)]
        asked: Asked,
    },
}

/// What is done with an agent.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Register an agent and print its token, this once.
    Add {
        /// Its name: a-z, 0-9, - and _.
        id: AgentId,
        /// Its name for people.
        #[arg(long)]
        name: Option<String>,
        /// What it is good for.
        #[arg(long)]
        description: Option<String>,
        /// Whose it is.
        #[arg(long)]
        org: Option<String>,
        /// Apps that may send to it, with commas; all if left out.
        #[arg(long, value_delimiter = ',')]
        allow: Vec<AppId>,
        /// Ask nobody: print the token, and its hash for `[[agent]]` in the file.
        #[arg(long)]
        print: bool,
        #[command(flatten)]
        asked: Asked,
    },
    /// Print another token; older ones stay good for a while.
    Rotate {
        /// Its name.
        id: AgentId,
        #[command(flatten)]
        asked: Asked,
    },
    /// Make all its tokens worthless; its connection ends.
    Revoke {
        /// Its name.
        id: AgentId,
        #[command(flatten)]
        asked: Asked,
    },
    /// List all, a line of JSON each.
    List {
        #[command(flatten)]
        asked: Asked,
    },
}

/// What is done with a person.
#[derive(Debug, Subcommand)]
pub(crate) enum PersonCommand {
    /// Add a person and print their API key, this once.
    Add {
        /// Their name in keys: a-z, 0-9 and -.
        id: AppId,
        /// Their name for people.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        asked: Asked,
    },
    /// Print another API key; older ones stay good for an hour.
    Rotate {
        /// Their name.
        id: AppId,
        #[command(flatten)]
        asked: Asked,
    },
    /// Make all their API keys worthless.
    Revoke {
        /// Their name.
        id: AppId,
        #[command(flatten)]
        asked: Asked,
    },
    /// List all, a line of JSON each.
    List {
        #[command(flatten)]
        asked: Asked,
    },
}
