//! Where the server is: one address, Sentinels that know which of several servers is the primary, or some of a cluster.

use crate::map::Place as Member;
use crate::redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use crate::redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisError, TlsMode};
use tollwire_ledger::Error;

/// The port of a Sentinel that names none.
const SENTINEL_PORT: u16 = 26_379;
/// The port of a cluster's server that names none.
const CLUSTER_PORT: u16 = 6_379;
/// The most Sentinels, or servers of a cluster, of one address.
const HOSTS_MAX: usize = 16;

/// A server's address, understood.
#[derive(Clone)]
pub struct Address(Place);

#[derive(Clone)]
enum Place {
    /// One server, whatever happens to it.
    Server(ConnectionInfo),
    /// Whichever server these call the primary of the service.
    Sentinels { asked: Vec<ConnectionInfo>, service: String, server: SentinelNodeConnectionInfo },
    /// Every server that some of a cluster know.
    Cluster { known: Vec<Member>, like: ConnectionInfo },
}

impl Address {
    /// Reads `redis://[user:password@]host[:port][/db]`,
    /// `redis-sentinel://[user:password@]host[:port][,host[:port]...][/db]#service` or
    /// `redis-cluster://[user:password@]host[:port][,host[:port]...]`; with `rediss` for TLS to all of them.
    ///
    /// User and password are the servers'; Sentinels are asked without. A cluster has no other database than 0. [`Error::Unfit`] says what is wrong, without the
    /// address, which may hold a password.
    pub fn parse(url: &str) -> Result<Self, Error> {
        if url.contains("protocol=") {
            return Err(unfit("the address must not choose a protocol version"));
        }
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        match scheme {
            "redis" | "rediss" => Ok(Self(Place::Server(info(url)?))),
            "redis-sentinel" => sentinels("redis", rest),
            "rediss-sentinel" => sentinels("rediss", rest),
            "redis-cluster" => cluster("redis", rest),
            "rediss-cluster" => cluster("rediss", rest),
            _ => Err(unfit(
                "the address must begin with redis://, redis-sentinel:// or redis-cluster://, or with rediss for TLS",
            )),
        }
    }

    /// Whether another server may take the place of the one that is connected to.
    pub fn may_move(&self) -> bool {
        matches!(self.0, Place::Sentinels { .. } | Place::Cluster { .. })
    }

    /// Whether rows are spread over several primaries.
    pub fn is_cluster(&self) -> bool {
        matches!(self.0, Place::Cluster { .. })
    }

    /// Some servers of the cluster, and a connection's settings but for its address.
    pub(crate) fn cluster(&self) -> Option<(&[Member], &ConnectionInfo)> {
        match &self.0 {
            Place::Cluster { known, like } => Some((known, like)),
            _ => None,
        }
    }

    /// Makes ready for TLS, if that is spoken.
    pub(crate) fn prepare(&self) {
        if self.is_encrypted() {
            // Fails if the process has chosen its provider already, which is as good.
            let _chosen = rustls::crypto::ring::default_provider().install_default();
        }
    }

    /// Whether it is spoken to over TLS.
    fn is_encrypted(&self) -> bool {
        let info = match &self.0 {
            Place::Server(info) => Some(info),
            Place::Sentinels { asked, .. } => asked.first(),
            Place::Cluster { like, .. } => Some(like),
        };
        info.is_some_and(|info| matches!(info.addr(), ConnectionAddr::TcpTls { .. }))
    }

    /// The one server; `None` if others have to be asked for it.
    pub(crate) fn server(&self) -> Option<&ConnectionInfo> {
        match &self.0 {
            Place::Server(info) => Some(info),
            _ => None,
        }
    }

    /// What connects to the server, or to the one that is the primary now.
    pub(crate) async fn primary(&self) -> Result<Client, RedisError> {
        match &self.0 {
            Place::Server(info) => Client::open(info.clone()),
            Place::Sentinels { asked, service, server } => {
                let master = SentinelServerType::Master;
                let mut client = SentinelClient::build(asked.clone(), service, Some(server.clone()), master)?;
                client.async_get_client().await
            }
            // Which of them has something only the cluster can say.
            Place::Cluster { like, .. } => Client::open(like.clone()),
        }
    }
}

/// Login, hosts, and what follows them.
struct Parts<'a> {
    /// With the `@` behind it.
    login: String,
    hosts: Vec<&'a str>,
    path: &'a str,
}

fn parts(rest: &str) -> Result<Parts<'_>, Error> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (format!("{login}@"), hosts),
        None => (String::new(), authority),
    };
    let hosts: Vec<&str> = hosts.split(',').collect();
    if hosts.len() > HOSTS_MAX {
        return Err(unfit("the address names 1 to 16 hosts"));
    }
    Ok(Parts { login, hosts, path })
}

/// What stands behind `redis-sentinel://`.
fn sentinels(scheme: &str, rest: &str) -> Result<Address, Error> {
    let (rest, service) = rest.split_once('#').unwrap_or((rest, ""));
    if service.is_empty() {
        return Err(unfit("a Sentinel address ends with # and the name of the service, as in #mymaster"));
    }
    let Parts { login, hosts, path } = parts(rest)?;
    let asked = hosts.iter().map(|host| info(&format!("{scheme}://{}", with_port(host, SENTINEL_PORT))));
    let asked: Vec<ConnectionInfo> = asked.collect::<Result<_, _>>()?;
    // The servers' login and database, by the rules of an address of one of them.
    let like = info(&format!("{scheme}://{login}server/{path}"))?;
    let mut server =
        SentinelNodeConnectionInfo::default().set_redis_connection_info(like.redis_settings().clone());
    if scheme == "rediss" {
        server = server.set_tls_mode(TlsMode::Secure);
    }
    Ok(Address(Place::Sentinels { asked, service: service.to_owned(), server }))
}

/// What stands behind `redis-cluster://`.
fn cluster(scheme: &str, rest: &str) -> Result<Address, Error> {
    let Parts { login, hosts, path } = parts(rest)?;
    let like = info(&format!("{scheme}://{login}server/{path}"))?;
    if like.redis_settings().db() != 0 {
        return Err(unfit("a Redis Cluster has no other database than 0"));
    }
    let mut known = Vec::with_capacity(hosts.len());
    for host in hosts {
        let info = info(&format!("{scheme}://{}", with_port(host, CLUSTER_PORT)))?;
        let (ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }) = info.addr()
        else {
            return Err(unfit("the address of a cluster's server is not usable"));
        };
        known.push(Member { host: host.clone(), port: *port });
    }
    Ok(Address(Place::Cluster { known, like }))
}

/// What connects to a cluster's server, by the login and the encryption of the cluster's address.
pub(crate) fn member(like: &ConnectionInfo, at: &Member) -> ConnectionInfo {
    let (host, port) = (at.host.clone(), at.port);
    let address = match like.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    like.clone().set_addr(address)
}

fn with_port(host: &str, default: u16) -> String {
    let port = host.rsplit_once(':').map(|(_, port)| port);
    // The last group of an IPv6 address in brackets ends with one.
    if port.is_some_and(|port| !port.ends_with(']')) { host.to_owned() } else { format!("{host}:{default}") }
}

fn info(url: &str) -> Result<ConnectionInfo, Error> {
    url.into_connection_info()
        .map_err(|error| Error::Unfit(format!("the Redis address is not usable: {}", error.category())))
}

fn unfit(why: &str) -> Error {
    Error::Unfit(why.to_owned())
}

impl std::fmt::Debug for Address {
    /// Without the address, which may carry a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("may_move", &self.may_move()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a failed expectation ends the test")]

    use super::*;

    fn asked(url: &str) -> (Vec<String>, String, String) {
        match Address::parse(url).map(|address| address.0) {
            Ok(Place::Sentinels { asked, service, server }) => {
                (asked.iter().map(|info| info.addr().to_string()).collect(), service, format!("{server:?}"))
            }
            _ => panic!("{url}"),
        }
    }

    fn refusal(url: &str) -> String {
        match Address::parse(url) {
            Err(Error::Unfit(why)) => why,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn sentinels_are_hosts_with_commas_and_a_service() {
        let (hosts, service, server) = asked("redis-sentinel://a,b:7000,[::1]/3#main");
        assert_eq!(hosts, ["a:26379", "b:7000", "::1:26379"]);
        assert_eq!(service, "main");
        assert!(server.contains("db: 3") && !server.contains("Secure"), "{server}");
        let (_, _, server) = asked("rediss-sentinel://user:s3cret@a#main");
        assert!(server.contains("Secure") && server.contains("user"), "{server}");
    }

    #[test]
    fn a_cluster_is_hosts_with_commas() {
        let read = |url: &str| match Address::parse(url).map(|address| address.0) {
            Ok(Place::Cluster { known, like }) => {
                let first = member(&like, &known[0]);
                let known: Vec<String> = known.iter().map(ToString::to_string).collect();
                (known, first)
            }
            _ => panic!("{url}"),
        };
        let (hosts, first) = read("redis-cluster://user:s3cret@a,b:7000,[::1]/");
        assert_eq!(hosts, ["a:6379", "b:7000", "::1:6379"]);
        assert_eq!(first.addr().to_string(), "a:6379");
        assert_eq!(first.redis_settings().username(), Some("user"));
        assert!(!Address::parse("redis-cluster://a").unwrap().is_encrypted());
        let (_, first) = read("rediss-cluster://a:1");
        assert!(matches!(first.addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
        assert!(Address::parse("rediss-cluster://a").unwrap().is_encrypted());
        assert!(refusal("redis-cluster://a,b/1").contains("database"));
        assert!(refusal("redis-cluster://a,b/x").contains("not usable"));
        assert!(refusal("redis-cluster://").contains("not usable"));
        assert!(refusal(&format!("redis-cluster://{}", vec!["a"; 17].join(","))).contains("1 to 16"));
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_is() {
        assert!(refusal("http://127.0.0.1").contains("redis-sentinel://"));
        assert!(refusal("redis-sentinel://:s3cret@a,b").contains("#mymaster"));
        assert!(refusal("redis-sentinel://a/db#main").contains("not usable"));
        assert!(refusal("redis://:s3cret@127.0.0.1:port/").contains("not usable"));
        assert!(refusal("redis://127.0.0.1/?protocol=resp3").contains("protocol"));
        let hosts = vec!["a"; 17].join(",");
        assert!(refusal(&format!("redis-sentinel://{hosts}#main")).contains("1 to 16"));
        assert!(!format!("{:?}", Address::parse("redis://:s3cret@127.0.0.1/")).contains("s3cret"));
    }
}
