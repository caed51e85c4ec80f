//! The orchestrator: a person talks to it over one socket, and it has agents do what they ask for; what costs money is asked for
//! first, or paid by itself within the limits that the person has set (frames, states: `ORCHESTRATOR.md` of this crate).
//!
//! ```text
//!   USER_MESSAGE ─▶ brain chooses ─▶ agent is healthy ─▶ price: covered, or PAYMENT_REQUEST ─▶ held or settled
//!                                                                                                  │
//!   AGENT_MESSAGE ◀── taken, or given back ◀── the agent has done it, or not ◀── invoke ◀──────────┘
//! ```
//!
//! The brain is an agent of the bridge, and so may the agents be that it chooses from; others are reached over HTTP. Each arrow
//! is a row of one table, written down before anything is said; a broker that dies leaves a session that any other takes up.
//!
//! | module | what lives there |
//! |---|---|
//! | `phase` | the table: pure |
//! | `hear`, `say` | frames, read and written |
//! | `record`, `work`, `seats`, `link` | a session: what is kept of it, the task that works at it, connections to it |
//! | `steps`, `brain`, `agent`, `agents` | choosing, checking and asking agents |
//! | `money`, `purse` | what a job costs, and what a person pays with |
//! | `token`, `people` | who may |
//! | `http`, `sessions`, `admin` | what people and the operator do over HTTP |

mod admin;
mod agent;
mod agents;
mod brain;
mod hear;
mod http;
mod ids;
mod inner;
mod limits;
mod link;
mod money;
mod people;
mod phase;
mod purse;
mod record;
mod say;
mod seats;
mod sessions;
mod start;
mod steps;
mod token;
mod work;

pub(crate) use http::{BODY_BYTES_MAX, is_ours, socket_of};

pub use limits::OrchestratorLimits;
pub use purse::{AutoPay, Credit, Purse, Purses};
pub use start::{Orchestrator, OrchestratorConfig};
pub use tollwire_x402::Usdc;
