//! The service of a story: our endpoint over the story's binding, our host, and the recorded application.

use super::application::{Calculator, Ran, declared, reply, text_of};
use super::narrative::Narrative;
use crate::actors::Said;
use crate::heap_store::Heap;
use crate::pair::Paper;
use crate::story::Config;
use soap_session_core::exchange::Exchange;
use soap_session_core::lifetime::Timer;
use soap_session_core::service::{
    CallId, ChosenChannel, Contract, HostSettings, HostTables, InstanceContextMode, InstanceId, Listener, ServiceHost,
};
use soap_session_core::session::{
    CallAnswer, GoneBecause, Kept, LayerAction, LayerHeard, Order, Owner, ServiceEndpoint, ServiceLayer,
};
use soap_session_core::soap::SoapVersion;
use soap_session_core::soap::fault::FaultForm;
use soap_session_core::throttle::ThrottleSettings;
use soap_session_core::time::{Deadline, Duration, Instant};
use std::collections::BTreeMap;

/// What the service puts on the wire.
pub(super) type Sent = (Exchange, u16, Vec<u8>);

/// A call that runs.
struct Running {
    kept: Kept,
    action: String,
    instance: InstanceId,
    result: String,
    argument: String,
}

/// The service of a story.
pub(super) struct RecordedService<L: ServiceLayer<Said>> {
    endpoint: ServiceEndpoint<Said, L, Heap>,
    host: ServiceHost<Kept, Heap>,
    contract: Contract<'static>,
    /// Does the recorded service tell of its instances? Only the one with sessions does.
    tells: bool,
    /// What is kept: action and argument.
    kept: BTreeMap<Kept, (String, String)>,
    running: BTreeMap<(u64, CallId), Running>,
    instances: BTreeMap<InstanceId, Calculator>,
    next_instance: u32,
    channels: BTreeMap<Owner, u32>,
    /// Channels that are known to be ending.
    ending: BTreeMap<Owner, ()>,
    next_channel: u32,
    buffer: Vec<u8>,
}

/// The host of a story's service.
///
/// # Panics
/// On a configuration that no story has.
fn host(config: &Config, refuses: bool) -> ServiceHost<Kept, Heap> {
    let number = |key: &str| config.get(key).map(|value| value.parse::<u32>().expect("a number"));
    let seconds = |key: &str, standard: u64| config.seconds(key).unwrap_or_else(|| Duration::from_secs(standard));
    let standard = ThrottleSettings::wcf4(2);
    let throttle = ThrottleSettings {
        max_concurrent_calls: number("calls").unwrap_or(standard.max_concurrent_calls),
        max_concurrent_sessions: number("sessions").unwrap_or(standard.max_concurrent_sessions),
        max_concurrent_instances: number("instances"),
    };
    let settings = HostSettings {
        instances: match config.get("inst") {
            None | Some("PerSession") => InstanceContextMode::PerSession,
            Some("PerCall") => InstanceContextMode::PerCall,
            Some("Single") => InstanceContextMode::Single,
            Some(other) => panic!("inst={other}"),
        },
        receive_timeout: Some(seconds("recv", 600)),
        close_timeout: Some(seconds("close", 60)),
        refuse_when_busy: refuses,
        ..HostSettings::default()
    };
    let tables = HostTables { channels: Heap(64), calls: Heap(64), instances: Heap(64), permits: Heap(512) };
    ServiceHost::new(settings, throttle, tables).expect("limits")
}

impl<L: ServiceLayer<Said>> RecordedService<L> {
    /// A service that is open.
    pub(super) fn new(
        layer: L,
        config: &Config,
        contract: Contract<'static>,
        chosen: ChosenChannel,
        refuses: bool,
    ) -> Self {
        Self {
            endpoint: ServiceEndpoint::new(layer, 0, Listener(0), chosen, Heap(64)),
            host: host(config, refuses),
            contract,
            tells: !chosen.datagram,
            kept: BTreeMap::new(),
            running: BTreeMap::new(),
            instances: BTreeMap::new(),
            next_instance: 1,
            channels: BTreeMap::new(),
            ending: BTreeMap::new(),
            next_channel: 1,
            buffer: vec![0; 16 * 1024],
        }
    }

    /// The layer, for what only the story's wire knows.
    pub(super) const fn layer_mut(&mut self) -> &mut L {
        self.endpoint.layer_mut()
    }

    /// A message came. `soap_action`: HTTP's.
    ///
    /// # Panics
    /// If there is no room for it.
    pub(super) fn hears(&mut self, now: Instant, from: Exchange, soap_action: &str, message: &mut [u8]) {
        let heard = self.endpoint.receive(now, from, &Paper::default(), message);
        let Ok(heard) = heard else { panic!("no room for a message") };
        if let LayerHeard::Message(delivered) = heard {
            let place = &delivered.message;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let action = text(place.action.of(message));
            let action = if action.is_empty() { soap_action.to_owned() } else { action };
            let argument = text_of(&text(place.body.of(message)), "n").unwrap_or_default();
            self.kept.insert(delivered.kept, (action, argument));
        }
    }

    /// Does everything that is to be done now. Gives what goes to the wire, and until when there is nothing more to do.
    pub(super) fn goes_on(&mut self, now: Instant, told: &mut Narrative) -> (Vec<Sent>, Deadline) {
        let mut sent = Vec::new();
        loop {
            let due: Vec<(u64, CallId)> =
                self.running.keys().copied().take_while(|(due, _)| *due <= now.as_millis()).collect();
            for key in due {
                self.returns(now, key, told);
            }
            let below = self.drain(now, &mut sent);
            match self.endpoint.order(now, &mut self.host) {
                Order::Wait(deadline) => {
                    let deadline = deadline.min(below);
                    if deadline > Deadline::At(now) {
                        let next = self
                            .running
                            .keys()
                            .next()
                            .map_or(Deadline::Never, |(due, _)| Deadline::At(Instant::from_millis(*due)));
                        return (sent, deadline.min(next));
                    }
                }
                order => self.carry_out(now, order, told),
            }
        }
    }

    /// Tells every timer of every session.
    pub(super) fn tells_timers(&self, told: &mut Narrative) {
        for (owner, channel) in &self.channels {
            let mut tell = |timer: Timer| told.service.push(format!("{channel}: {timer}"));
            self.endpoint.timers(&self.host, *owner, &mut tell);
        }
    }

    fn drain(&mut self, now: Instant, sent: &mut Vec<Sent>) -> Deadline {
        loop {
            match self.endpoint.poll(now, &Paper::default(), &mut self.buffer).expect("well-formed replies") {
                LayerAction::Answer { exchange, status, message } => sent.push((exchange, status, message.to_vec())),
                LayerAction::Transmit { connection, message } => sent.push((connection, 0, message.to_vec())),
                LayerAction::Drop(exchange) => sent.push((exchange, 0, Vec::new())),
                LayerAction::Grow(grow) => self.buffer.resize(grow.needed, 0),
                LayerAction::Swept(_) => {}
                LayerAction::Ended(_) | LayerAction::Gone(..) => return Deadline::At(now),
                LayerAction::Wait(deadline) => return deadline,
            }
        }
    }

    fn carry_out(&mut self, now: Instant, order: Order, told: &mut Narrative) {
        match order {
            Order::Look(kept) => {
                let (action, _) = &self.kept[&kept];
                let called = self.contract.called(action.as_bytes());
                let _ = self.endpoint.looked(now, &mut self.host, kept, called);
            }
            Order::Bound(_, owner) => {
                let channel = self.next_channel;
                self.next_channel += 1;
                self.channels.insert(owner, channel);
                let session = if self.endpoint.session_id(owner).is_some() { "with" } else { "without" };
                told.channel(channel, format!("accepted {session} a session"));
                told.service.push(format!("accepted {channel}"));
            }
            Order::Run(dispatch) => {
                let (action, argument) = self.kept.remove(&dispatch.message).expect("a message that is kept");
                if dispatch.new_instance {
                    let number = self.tells.then_some(self.next_instance);
                    self.next_instance += 1;
                    self.instances.insert(dispatch.instance, Calculator { number, value: 0 });
                    told.instance(number, "made");
                }
                let operation = self.contract.operations[usize::from(dispatch.called.operation)];
                let calculator = self.instances.get_mut(&dispatch.instance).expect("an instance");
                let (ran, line) = calculator.run(operation.name, &argument);
                if let Some(line) = line {
                    told.instance(calculator.number, line.clone());
                    let number = calculator.number.map(|number| format!("[{number}] ")).unwrap_or_default();
                    told.service.push(format!("{number}{line}"));
                }
                let (instance, kept) = (dispatch.instance, dispatch.message);
                match ran {
                    Ran::Returned(result, time) => {
                        let running = Running { kept, action, instance, result, argument };
                        self.running.insert((now.as_millis() + time, dispatch.call), running);
                    }
                    Ran::Declared => {
                        let wording = self.endpoint.layer().wording();
                        let clear = wording.form != FaultForm::Encrypted;
                        let fault = declared(&action, wording.soap == SoapVersion::Soap11, clear);
                        self.answer(now, dispatch.call, kept, CallAnswer::Reply(fault), told);
                    }
                    Ran::Failed => self.answer(now, dispatch.call, kept, CallAnswer::Unhandled, told),
                }
            }
            Order::Refused(kept, fault) => {
                let (action, _) = self.kept.remove(&kept).expect("a message that is kept");
                self.endpoint.refuse(now, kept, action.as_bytes(), fault);
            }
            Order::Ending(_, owner) => {
                if let Some(channel) = self.channels.get(&owner)
                    && self.tells
                {
                    self.ending.insert(owner, ());
                    told.channel(*channel, "Closing");
                }
            }
            Order::Gone(owner, because, disposed) => {
                self.kept.retain(|kept, _| kept.owner != owner);
                if let Some(channel) = self.channels.remove(&owner)
                    && self.tells
                {
                    if self.ending.remove(&owner).is_none() {
                        if matches!(because, GoneBecause::Broken(_)) {
                            told.channel(channel, "Faulted");
                        }
                        told.channel(channel, "Closing");
                    }
                    told.channel(channel, "Closed");
                }
                self.let_go(disposed.0, told);
            }
            Order::Waits { owner, pressure, oldest } => {
                let oldest = oldest.and_then(|oldest| self.channels.get(&oldest));
                let oldest = oldest.map_or_else(|| "nobody".to_owned(), |channel| format!("channel {channel}"));
                told.throttles.push(format!("{owner:?} waits for {oldest} first: {pressure}"));
            }
            Order::Throttle(event) => told.throttles.push(event.to_string()),
            Order::Resume(_) | Order::Wait(_) => {}
        }
    }

    fn returns(&mut self, now: Instant, key: (u64, CallId), told: &mut Narrative) {
        let running = self.running.remove(&key).expect("a call that runs");
        let name = running.action.rsplit('/').next().unwrap_or_default();
        if name == "Slow" {
            let number = self.instances.get(&running.instance).and_then(|calculator| calculator.number);
            told.instance(number, format!("Slow({}) ends", running.argument));
        }
        let reply = reply(&running.action, &running.result);
        self.answer(now, key.1, running.kept, CallAnswer::Reply(reply), told);
    }

    fn answer(&mut self, now: Instant, call: CallId, kept: Kept, answer: CallAnswer<Said>, told: &mut Narrative) {
        let disposed = self.endpoint.answered(now, &mut self.host, call, kept, answer).expect("a call that runs");
        self.let_go(disposed.0, told);
    }

    fn let_go(&mut self, instance: Option<InstanceId>, told: &mut Narrative) {
        if let Some(calculator) = instance.and_then(|instance| self.instances.remove(&instance)) {
            told.instance(calculator.number, "let go");
        }
    }
}
