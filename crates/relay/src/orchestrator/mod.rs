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
//! | `steps`, `brain`, `agent`, `agents`, `health` | choosing, checking and asking agents |
//! | `money`, `quote`, `purse`, `audit` | what a job costs, what a person pays with, and what became of it |
//! | `token`, `people`, `words` | who may, and the end of what they opened when they may no more |
//! | `http`, `sessions`, `admin`, `overview` | what people and the operator do and see over HTTP |

mod admin;
mod agent;
mod agents;
mod audit;
mod brain;
mod health;
mod hear;
mod http;
mod ids;
mod inner;
mod limits;
mod link;
mod money;
mod overview;
mod people;
mod phase;
mod purse;
mod quote;
mod record;
mod say;
mod seats;
mod sessions;
mod start;
mod steps;
mod token;
mod words;
mod work;

pub(crate) use http::{BODY_BYTES_MAX, is_ours, socket_of};

pub use limits::OrchestratorLimits;
pub use purse::{AutoPay, Credit, Purse, Purses};
pub use start::{Orchestrator, OrchestratorConfig};
pub use tollwire_x402::Usdc;
