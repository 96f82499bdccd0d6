//! A client's channel, and a service's endpoint over any layer with its host, in simulated time. Messages lie on the wire until
//! they are delivered.

use crate::actors::Said;
use crate::heap_store::Heap;
use crate::pair::Paper;
use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::lifetime::CommunicationState;
use soap_session_core::secure::Unsealed;
use soap_session_core::service::{
    BindingShapes, CATCH_ALL, CallId as ServiceCall, Contract, DispatchFault, HostSettings, HostTables, Listener,
    Operation, ServiceHost, SessionMode,
};
use soap_session_core::session::{
    Answered, CallAnswer, CallId, ChannelAction, ChannelError, ChannelEvent, ChannelHeard, ClientChannel, Delivered,
    Kept, LayerAction, LayerHeard, OperationUse, Order, ServiceEndpoint, ServiceLayer, fault_exception,
};
use soap_session_core::throttle::ThrottleSettings;
use soap_session_core::time::{Deadline, Duration, Instant};
use std::collections::BTreeMap;

/// The client's channel.
pub type Channel = ClientChannel<Said, Chance, 4, 64, 8, 9, 32>;
/// What is on its way: the exchange, the action of a request or the status of an answer, the message.
pub type Letter<T> = (Exchange, T, Vec<u8>);

/// The contract of the service: `Echo` says what it is told, `Fail` fails in a way that it does not declare, `Declared` in one that
/// it does, `Tell` is one-way.
pub const OPERATIONS: &[Operation<'static>] = &[
    Operation::new("Echo", "urn:t/Echo"),
    Operation::new("Fail", "urn:t/Fail"),
    Operation::new("Declared", "urn:t/Declared"),
    Operation::new("Tell", "urn:t/Tell").one_way(),
];
/// The same, and whatever else there is.
pub const WITH_CATCH_ALL: &[Operation<'static>] =
    &[Operation::new("Any", CATCH_ALL), OPERATIONS[0], OPERATIONS[1], OPERATIONS[2], OPERATIONS[3]];

/// What the service keeps of a message, by its name.
struct Message {
    action: String,
    body: Vec<u8>,
    /// The header block that is not understood.
    block: Option<(String, String)>,
}

/// Both sides.
pub struct EndpointWorld<L: ServiceLayer<Said>> {
    /// The client.
    pub client: Channel,
    /// The service.
    pub endpoint: ServiceEndpoint<Said, L, Heap>,
    /// What decides for it.
    pub host: ServiceHost<Kept, Heap>,
    contract: Contract<'static>,
    /// Certificates and passwords.
    pub paper: Paper,
    /// Now.
    pub now: Instant,
    /// The action of a message without WS-Addressing.
    pub soap_action: String,
    /// Does the service answer at once? If not, its calls are under way until [`finish`](Self::finish).
    pub answers: bool,
    /// What the client has said while it was told something.
    unsent: Vec<Letter<String>>,
    kept: BTreeMap<Kept, Message>,
    running: Vec<(ServiceCall, Kept, Message)>,
    /// The actions of what ran.
    pub ran: Vec<String>,
    /// What the dispatcher refused.
    pub refused: Vec<DispatchFault>,
    /// What the layer told of messages that were not the application's.
    pub told: Vec<L::Heard>,
    /// What the client's application saw.
    pub seen: Vec<String>,
    /// Everything that was told it.
    pub events: Vec<ChannelEvent>,
}

/// A request of an operation.
pub fn said(action: &str, body: &str) -> Said {
    Said {
        action: action.to_owned(),
        body: body.as_bytes().to_vec(),
        two_way: !action.ends_with("/Tell"),
        fault: false,
    }
}

impl<L: ServiceLayer<Said>> EndpointWorld<L> {
    /// A client and a service that have just been made.
    ///
    /// # Panics
    /// If the contract does not suit the layer.
    pub fn new(client: Channel, layer: L, operations: &'static [Operation<'static>]) -> Self {
        Self::with(client, layer, operations, HostSettings::default(), 16)
    }

    /// With these settings of the host, and so many calls at once.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn with(
        client: Channel,
        layer: L,
        operations: &'static [Operation<'static>],
        settings: HostSettings,
        calls: u32,
    ) -> Self {
        let contract = Contract { name: "IThing", session_mode: SessionMode::Allowed, callbacks: false, operations };
        let binding = if layer.sessionful() {
            BindingShapes::secure_session("WSHttpBinding")
        } else {
            BindingShapes::datagram("WSHttpBinding")
        };
        let chosen = contract.over(&binding).expect("they suit each other");
        let limits = ThrottleSettings { max_concurrent_calls: calls, ..ThrottleSettings::wcf4(2) };
        let tables = HostTables { channels: Heap(8), calls: Heap(16), instances: Heap(16), permits: Heap(512) };
        Self {
            client,
            endpoint: ServiceEndpoint::new(layer, 0, Listener(0), chosen, Heap(8)),
            host: ServiceHost::new(settings, limits, tables).expect("limits"),
            contract,
            paper: Paper { password: "wonder".into(), ..Paper::default() },
            now: Instant::from_millis(1000),
            soap_action: String::new(),
            answers: true,
            unsent: Vec::new(),
            kept: BTreeMap::new(),
            running: Vec::new(),
            ran: Vec::new(),
            refused: Vec::new(),
            told: Vec::new(),
            seen: Vec::new(),
            events: Vec::new(),
        }
    }

    /// The client's state.
    pub const fn state(&self) -> CommunicationState {
        self.client.state()
    }

    /// The client calls; what it then sends.
    ///
    /// # Panics
    /// If the call is refused.
    pub fn call(&mut self, action: &str, body: &str) -> (CallId, Vec<Letter<String>>) {
        let message = said(action, body);
        let operation = if message.two_way { OperationUse::new("Any") } else { OperationUse::one_way("Tell") };
        let call = self.client.call(self.now, operation, message).map_err(|(_, refused)| refused).expect("it is legal");
        (call, self.client_sends())
    }

    /// What the client sends now.
    pub fn client_sends(&mut self) -> Vec<Letter<String>> {
        let (mut sent, mut out) = (std::mem::take(&mut self.unsent), vec![0; 16]);
        loop {
            match self.client.poll(self.now, &self.paper, &mut out) {
                ChannelAction::Transmit { exchange, action, message } => {
                    let action = String::from_utf8_lossy(action).into_owned();
                    sent.push((exchange.expect("an exchange"), action, message.to_vec()));
                }
                ChannelAction::Event(event) => self.client_is_told(event),
                ChannelAction::Grow(grow) => out = vec![0; grow.needed],
                ChannelAction::Wait(_) => return sent,
            }
        }
    }

    fn client_is_told(&mut self, event: ChannelEvent) {
        self.seen.push(match &event {
            ChannelEvent::CallDone(_, Ok(Answered::Accepted)) => "ok".to_owned(),
            ChannelEvent::CallDone(_, Ok(Answered::Reply)) => "reply".to_owned(),
            ChannelEvent::CallDone(_, Err(error)) => self.threw(error),
            ChannelEvent::Opened => "channel Opened".to_owned(),
            ChannelEvent::Faulted(_) => "channel Faulted".to_owned(),
            ChannelEvent::Closed => "channel Closed".to_owned(),
            other => format!("{other:?}"),
        });
        self.events.push(event);
    }

    fn threw(&self, error: &ChannelError) -> String {
        format!("THREW {}: \"{}\"", error.wcf_exception(), error.wcf_text(self.client.to()))
    }

    /// The service hears a message, and does what there is to do. What it then sends.
    ///
    /// # Panics
    /// If there is no room.
    pub fn serve(&mut self, exchange: Exchange, message: &[u8]) -> Vec<Letter<u16>> {
        let mut message = message.to_vec();
        let heard = self.endpoint.receive(self.now, exchange, &self.paper, &mut message);
        let Ok(heard) = heard else { panic!("no room") };
        match heard {
            LayerHeard::Message(delivered) => self.keep(&delivered, &message),
            LayerHeard::Other(other) => self.told.push(other),
        }
        self.service_sends()
    }

    fn keep(&mut self, delivered: &Delivered, bytes: &[u8]) {
        let place = &delivered.message;
        let action = String::from_utf8_lossy(place.action.of(bytes)).into_owned();
        let action = if action.is_empty() { self.soap_action.clone() } else { action };
        let block = place.not_understood(bytes).map(|name| (name.namespace.to_owned(), name.local.to_owned()));
        assert_eq!(block.is_some(), place.must_understand.is_some());
        self.kept.insert(delivered.kept, Message { action, body: place.body.of(bytes).to_vec(), block });
    }

    /// What the service sends now.
    ///
    /// # Panics
    /// If it cannot write a reply.
    pub fn service_sends(&mut self) -> Vec<Letter<u16>> {
        self.service_tries().expect("it can write")
    }

    /// The same where it may fail.
    ///
    /// # Errors
    /// A reply that cannot be sealed.
    pub fn service_tries(&mut self) -> Result<Vec<Letter<u16>>, Unsealed> {
        let (mut sent, mut out) = (Vec::new(), vec![0; 16]);
        loop {
            loop {
                match self.endpoint.poll(self.now, &self.paper, &mut out)? {
                    LayerAction::Answer { exchange, status, message } => {
                        sent.push((exchange, status, message.to_vec()))
                    }
                    LayerAction::Drop(exchange) => sent.push((exchange, 0, Vec::new())),
                    LayerAction::Grow(grow) => out = vec![0; grow.needed],
                    LayerAction::Wait(_) => break,
                    LayerAction::Transmit { .. }
                    | LayerAction::Ended(_)
                    | LayerAction::Gone(..)
                    | LayerAction::Swept(_) => {}
                }
            }
            match self.endpoint.order(self.now, &mut self.host) {
                Order::Wait(deadline) if deadline > Deadline::At(self.now) => return Ok(sent),
                order => self.carry_out(order),
            }
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Look(kept) => {
                let message = &self.kept[&kept];
                let called = self.contract.called(message.action.as_bytes());
                if message.block.is_some() {
                    self.endpoint.not_understood(self.now, &mut self.host, kept, called).expect("its session is there");
                } else {
                    self.endpoint.looked(self.now, &mut self.host, kept, called).expect("its session is there");
                }
            }
            Order::Run(dispatch) => {
                let message = self.kept.remove(&dispatch.message).expect("it was kept");
                self.ran.push(message.action.clone());
                self.running.push((dispatch.call, dispatch.message, message));
                if self.answers {
                    self.finish();
                }
            }
            Order::Refused(kept, fault) => {
                let message = self.kept.remove(&kept).expect("it was kept");
                self.refused.push(fault);
                match message.block.filter(|_| fault == DispatchFault::MustUnderstand) {
                    Some((namespace, local)) => {
                        let block = soap_session_core::soap::fault::QName { namespace: &namespace, local: &local };
                        self.endpoint.refuse_block(self.now, kept, block);
                    }
                    None => self.endpoint.refuse(self.now, kept, message.action.as_bytes(), fault),
                }
            }
            Order::Bound(..)
            | Order::Resume(_)
            | Order::Ending(..)
            | Order::Gone(..)
            | Order::Waits { .. }
            | Order::Throttle(_)
            | Order::Wait(_) => {}
        }
    }

    /// The calls that are under way end.
    ///
    /// # Panics
    /// If the host does not know them.
    pub fn finish(&mut self) {
        for (call, kept, message) in std::mem::take(&mut self.running) {
            let name = message.action.rsplit('/').next().unwrap_or_default();
            let answer = match name {
                "Fail" => CallAnswer::Unhandled,
                "Declared" => CallAnswer::Reply(Said {
                    fault: true,
                    ..said("urn:t/DeclaredFault", &declared(self.endpoint.layer().wording().soap.namespace()))
                }),
                "Tell" => CallAnswer::Nothing,
                _ => {
                    let body = message.body.clone();
                    CallAnswer::Reply(Said { body, ..said(&format!("{}Response", message.action), "") })
                }
            };
            self.endpoint.answered(self.now, &mut self.host, call, kept, answer).expect("it was under way");
        }
    }

    /// The client hears the answer of an exchange. What its application then sees.
    pub fn hear(&mut self, exchange: Exchange, message: &[u8]) -> String {
        let mut message = message.to_vec();
        let line = match self.client.receive(self.now, Some(exchange), &self.paper, &mut message) {
            ChannelHeard::Reply { message: place, .. } => {
                format!("reply {}", String::from_utf8_lossy(place.body.of(&message)))
            }
            ChannelHeard::Fault { fault, .. } => {
                let reason = String::from_utf8_lossy(fault.reason.of(&message)).into_owned();
                format!("THREW {}: \"{reason}\"", fault_exception(fault.known))
            }
            ChannelHeard::Failed { error, .. } => {
                self.unsent = self.client_sends();
                self.threw(&error)
            }
            ChannelHeard::Held { .. } => "held".to_owned(),
            ChannelHeard::Protocol => {
                let before = self.seen.len();
                self.unsent = self.client_sends();
                return self.seen.get(before..).unwrap_or_default().join(", ");
            }
        };
        self.seen.push(line.clone());
        line
    }

    /// Calls, and has every message delivered at once. What the client's application sees, and the status.
    ///
    /// # Panics
    /// If the client sends anything but the one request, or it is not answered once.
    pub fn done(&mut self, action: &str, body: &str) -> (String, u16) {
        let (_, sent) = self.call(action, body);
        let [(exchange, soap_action, request)] = &sent[..] else { panic!("{} requests", sent.len()) };
        assert_eq!(soap_action, action, "for SOAP 1.1's SOAPAction");
        self.soap_action.clone_from(soap_action);
        let answers = self.serve(*exchange, request);
        let [(of, status, answer)] = &answers[..] else { panic!("{} answers", answers.len()) };
        assert_eq!(of, exchange);
        let line = self.hear(*exchange, answer);
        (line, *status)
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }
}

/// A fault of the application, in the words of either version.
pub fn declared(soap: &str) -> String {
    if soap.ends_with("soap-envelope") {
        format!(
            "<s:Fault xmlns:s=\"{soap}\"><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text xml:lang=\"en\">\
             as declared</s:Text></s:Reason></s:Fault>"
        )
    } else {
        format!(
            "<s:Fault xmlns:s=\"{soap}\"><faultcode>s:Client</faultcode><faultstring>as declared</faultstring></s:Fault>"
        )
    }
}

/// Does this text stand in these bytes?
pub fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
