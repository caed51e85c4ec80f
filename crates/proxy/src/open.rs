//! One open, from the agent's request to its answer.

use crate::answer::{Answer, set, switching};
use crate::gauge::PumpGauge;
use crate::handshake::Handshake;
use crate::opening::{Opened, Opening};
use crate::shared::{Seat, Shared};
use crate::stream::Stream;
use crate::upstream::{Agreed, UpstreamRequest};
use crate::{
    Admission, FeedRoute, InBand, OpenError, UpstreamAuth, WhenExhausted, random, refusal, telemetry,
};
use http::Request;
use http::header::HeaderName;
use hyper::upgrade::OnUpgrade;
use std::sync::Arc;
use tollwire_meter::Terms;
use tollwire_wire::{Control, Counted, Limits};
use tollwire_x402::FeedId;
use tollwire_x402::close::CloseCode;
use tollwire_x402::header::TOLLWIRE_STREAM;

/// The header by which an agent names its open, and we tell it the name.
const STREAM: HeaderName = HeaderName::from_static(TOLLWIRE_STREAM);

/// An open whose request has been checked.
pub(crate) struct Open {
    shared: Arc<Shared>,
    opening: Opening,
    agent: Agent,
}

/// What of the agent's side is needed once the open has been decided.
struct Agent {
    feed: FeedId,
    accept: String,
    connection: OnUpgrade,
    first_protocol: Agreed,
    exhausted: WhenExhausted,
    limits: Arc<Limits>,
    terms: Terms,
    counted: Counted,
    in_band: Option<Arc<dyn InBand>>,
    low_water: u64,
    seat: Seat,
}

impl Open {
    /// Refuses what can be refused without asking anybody.
    pub(crate) fn prepare<B>(
        shared: &Arc<Shared>,
        request: Request<B>,
        admission: Admission,
        route: &FeedRoute,
    ) -> Result<Self, OpenError> {
        let seat = shared.seat()?;
        let mut handshake = Handshake::read(request)?;
        if admission.control.is_some() {
            // What is said in between must be readable, and what the agent says too.
            handshake.wishes.extensions.clear();
        }
        let failures = shared.failures.check(&admission.session);
        failures.map_err(|retry_after| OpenError::TooManyFailedDials { retry_after })?;
        let terms = route.terms(shared.config.renewal_grace);
        let agent = Agent {
            feed: route.feed.clone(),
            accept: handshake.accept,
            connection: handshake.connection,
            first_protocol: first_of(&handshake.wishes.protocols),
            exhausted: if admission.control.is_some() { WhenExhausted::Close } else { route.exhausted },
            limits: Arc::clone(&route.limits),
            terms,
            counted: route.counted,
            in_band: admission.control,
            low_water: route.low_water,
            seat: seat.clone(),
        };
        let opening = Opening {
            shared: Arc::clone(shared),
            feed: route.feed.clone(),
            session: admission.session,
            payer: admission.payer,
            stream: admission.stream.map_or_else(random::stream_id, Ok)?,
            request: UpstreamRequest::new(route, handshake.wishes)?,
            vouched: route.upstream_auth == UpstreamAuth::StreamToken,
            terms,
            streams_max: route.streams_max,
            _seat: seat,
        };
        Ok(Self { shared: Arc::clone(shared), opening, agent })
    }

    /// Decides the open and answers it.
    pub(crate) async fn run(self) -> Result<Answer, OpenError> {
        let Self { shared, opening, agent } = self;
        let opened = shared.tasks.spawn(opening.run()).await.unwrap_or_else(|error| {
            tracing::error!(%error, "an open was cut short");
            Err(OpenError::Internal)
        });
        telemetry::opened(&agent.feed, opened.as_ref());
        match opened {
            Ok(opened) => Ok(agent.go_live(&shared, opened)),
            Err(OpenError::Exhausted { held_elsewhere }) if agent.exhausted == WhenExhausted::Close => {
                Ok(agent.turn_away(&shared, held_elsewhere))
            }
            Err(error) => Err(error),
        }
    }
}

impl Agent {
    fn go_live(self, shared: &Arc<Shared>, opened: Opened) -> Answer {
        let Opened { charge, upstream } = opened;
        let mut answer = switching(&self.accept, &upstream.agreed);
        set(&mut answer, STREAM, charge.stream().as_str());
        let stream = Stream {
            shared: Arc::clone(shared),
            resident: charge.enter(self.feed.clone()),
            gauge: PumpGauge::new(self.terms.unit, self.counted, charge.before()),
            feed: self.feed,
            charge,
            control: Control::new(),
            in_band: self.in_band,
            low_water: self.low_water,
            seat: self.seat,
            limits: self.limits,
        };
        stream.spawn(self.connection, upstream);
        answer
    }

    fn turn_away(self, shared: &Arc<Shared>, held_elsewhere: bool) -> Answer {
        let code = if held_elsewhere { CloseCode::TryAgainLater } else { CloseCode::Exhausted };
        let answer = switching(&self.accept, &self.first_protocol);
        refusal::spawn(shared, self.connection, code, self.seat);
        answer
    }
}

/// Accepts a WebSocket and closes it at once.
pub(crate) fn accept_and_close<B>(
    shared: &Arc<Shared>,
    request: Request<B>,
    code: CloseCode,
) -> Result<Answer, OpenError> {
    let seat = shared.seat()?;
    let handshake = Handshake::read(request)?;
    let answer = switching(&handshake.accept, &first_of(&handshake.wishes.protocols));
    refusal::spawn(shared, handshake.connection, code, seat);
    Ok(answer)
}

/// The first subprotocol, where there is no upstream to choose: browsers take no answer without one if they offered
/// any.
fn first_of(protocols: &[String]) -> Agreed {
    Agreed { protocol: protocols.first().cloned(), extensions: String::new() }
}
