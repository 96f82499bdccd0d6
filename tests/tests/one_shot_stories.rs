//! Our one-shot client as its channel has it, and our service as its endpoint has it, in the place of the recorded ones: with their
//! randomness they send what was sent, and they take what was taken.

use soap_session_core::lifetime::{CommunicationState, Timeouts};
use soap_session_core::secure::{Exchange, OneShotClient, OneShotService, OneShotSettings, Refusal, UserCredential};
use soap_session_core::session::{
    Answered, ChannelAction, ChannelError, ChannelEvent, ChannelHeard, ClientChannel, Delivered, LayerAction,
    LayerHeard, OneShotLayer, OperationUse, Owner, ServiceLayer,
};
use soap_session_core::time::{Instant, Wall};
use soap_session_tests::actors::{Recorded, Said};
use soap_session_tests::dom::Node;
use soap_session_tests::script::Script;
use soap_session_tests::story::{ONE_SHOT, Story, Turn};
use soap_session_tests::wire::{body, created, header, ivs, message_nonces, tree, unique_id, urn};
use soap_session_tests::{Message, Verdict};

type Client = OneShotClient<Script, 4, 64>;
type Channel = ClientChannel<Said, Script, 4, 64>;
type Service = OneShotLayer<Said, Script, 4, 64>;

/// Stories beside the cases, with the fault that each request met with.
const STORIES: [&str; 2] =
    ["wcf-stories/oneshot-client-clock-minus-600s", "wcf-stories/oneshot-client-clock-plus-600s"];

/// The clocks of the recorded sides differ.
const FOREVER: Timeouts = Timeouts { open: None, close: None, send: None, receive: None };

const ZERO: Wall = Wall { unix_ms_at_zero: 0 };

fn at(ms: i64) -> Instant {
    Instant::from_millis(u64::try_from(ms).expect("after 1970"))
}

fn said(message: &Message) -> Said {
    let tree = tree(message);
    Said {
        action: header(&tree, "Action"),
        body: body(message),
        two_way: !header(&tree, "MessageID").is_empty(),
        fault: tree.path(&["Body", "Fault"]).is_some(),
    }
}

fn id_in(tree: &Node, local: &str) -> Option<soap_session_core::secure::UniqueIds> {
    unique_id(tree.path(&["Header", "Security", local])?.attribute("Id")?)
}

struct Play<'s> {
    story: &'s Story,
    keys: Recorded,
    script: Script,
    to: String,
    service: Service,
    equal: u32,
    wrong: Vec<String>,
}

impl<'s> Play<'s> {
    fn new(story: &'s Story) -> Self {
        let script = Script::default();
        let to = header(&tree(story.request(story.turns[0].number)), "To");
        let settings = OneShotSettings { language: "", ..OneShotSettings::default() };
        Self {
            story,
            keys: story.keyring(),
            to,
            service: Service::new(OneShotService::new(story.server.binding(), settings, ZERO, script.clone())),
            script,
            equal: 0,
            wrong: Vec::new(),
        }
    }

    fn compare(&mut self, what: &str, ours: &[u8], theirs: &[u8]) {
        if ours == theirs {
            self.equal += 1;
            return;
        }
        let at = ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or_else(|| ours.len().min(theirs.len()));
        let show = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[at.saturating_sub(80).min(bytes.len())..(at + 80).min(bytes.len())])
                .into_owned()
        };
        self.wrong.push(format!("{} {what}: byte {at}\n  {}\n  {}", self.story.name, show(ours), show(theirs)));
    }

    /// A client of this one request: what the recorded one drew before is not known.
    fn client_sends(&mut self, turn: &Turn) -> (Channel, Exchange) {
        let message = self.story.request(turn.number);
        let tree = tree(message);
        let binding = self.story.client.binding();
        let mut nonces = message_nonces(&tree);
        // Drawn even where keys are not derived.
        nonces.resize(2, vec![0; 16]);
        let said = said(message);
        let key = self.story.secrets.of(&message.file).and_then(|keys| keys.encrypted_key.clone()).expect("a key");
        let mut pieces = vec![key];
        pieces.extend(nonces);
        // One-way messages draw a MessageID and do not send it.
        pieces.push(if said.two_way { urn(&header(&tree, "MessageID")) } else { vec![0; 16] });
        pieces.extend(ivs(message, binding.suite));
        let user = UserCredential::new("alice", "wonder");
        // What it draws for its own Ids is made up: they are the recorded ones.
        let mut client = Client::new(binding, &self.to, user, ZERO, self.script.clone()).expect("a client");
        self.script.say(pieces);
        client.continue_ids(id_in(&tree, "EncryptedKey").expect("an Id"));
        if let Some(ids) = id_in(&tree, "UsernameToken").or_else(|| id_in(&tree, "BinarySecurityToken")) {
            client.continue_user_ids(ids);
        }
        let now = at(created(&tree).expect("a time stamp"));
        let mut out = vec![0; 32_768];
        let mut channel = Channel::over_one_shot(client, FOREVER);
        let operation = if said.two_way { OperationUse::new("Any") } else { OperationUse::one_way("Any") };
        channel.call(now, operation, said.clone()).map_err(|(_, refused)| refused).expect("it opens");
        let opened = channel.poll(now, &self.keys, &mut out);
        assert!(matches!(opened, ChannelAction::Event(ChannelEvent::Opened)), "{opened:?}");
        let ChannelAction::Transmit { exchange: Some(exchange), action, message: ours } =
            channel.poll(now, &self.keys, &mut out)
        else {
            panic!("it can be sealed")
        };
        assert_eq!(action, said.action.as_bytes());
        assert_eq!(self.script.left(), 0, "{}: recorded draws were not asked for", self.story.name);
        self.compare(&message.file, ours, &message.bytes);
        (channel, exchange)
    }

    /// The service hears a request again, or for the first time: as a layer for its endpoint.
    fn service_hears(&mut self, turn: &Turn, from: Exchange) -> LayerHeard<Refusal> {
        let mut bytes = self.story.request(turn.number).bytes.clone();
        let heard = self.service.receive(at(turn.received_at), from, &self.keys, &mut bytes).expect("room");
        if let LayerHeard::Message(delivered) = &heard {
            let message = self.story.request(turn.number);
            assert_eq!(delivered.message.body.of(&bytes), body(message), "{}", message.file);
            let _ = self.service.accept();
            assert_eq!(self.service.take(at(turn.received_at), Owner::Datagram), Some(delivered.kept));
        }
        heard
    }

    /// What the service answers.
    fn service_answers(&mut self, turn: &Turn, from: Exchange) {
        let reply = self.story.reply(turn.reply.expect("every exchange has its answer"));
        let mut now = at(turn.received_at);
        match (turn.verdict, self.service_hears(turn, from)) {
            (Verdict::Accepted, LayerHeard::Message(Delivered { kept, two_way: true, .. })) => {
                let tree = tree(reply);
                let mut nonces = message_nonces(&tree);
                nonces.resize(2, vec![0; 16]);
                nonces.extend(ivs(reply, self.story.server.binding().suite));
                self.script.say(nonces);
                self.service.service_mut().continue_ids(id_in(&tree, "Timestamp").expect("an Id"));
                now = at(created(&tree).expect("a time stamp"));
                self.service.reply(now, kept, said(reply)).expect("it waits");
            }
            (Verdict::Accepted, LayerHeard::Message(Delivered { kept, .. })) => self.service.finish(kept),
            (Verdict::Refused, LayerHeard::Other(_)) => {}
            (verdict, heard) => {
                let file = &self.story.request(turn.number).file;
                self.wrong.push(format!("{} {file}: {verdict:?}, and we say {heard:?}", self.story.name));
                return;
            }
        }
        let (status, ours) = self.service_says(now, from);
        assert!(turn.status.is_none_or(|recorded| recorded == status), "{}", reply.file);
        self.compare(&reply.file, &ours, &reply.bytes);
        // A copy is no second request.
        let copy = Exchange(u32::MAX);
        assert!(matches!(self.service_hears(turn, copy), LayerHeard::Other(_)), "{}", reply.file);
        assert_eq!(self.service_says(now, copy).0, 500);
    }

    fn service_says(&mut self, now: Instant, to: Exchange) -> (u16, Vec<u8>) {
        let mut out = vec![0; 32_768];
        match self.service.poll(now, &self.keys, &mut out) {
            Ok(LayerAction::Answer { exchange, status, message }) if exchange == to => (status, message.to_vec()),
            other => panic!("{other:?}"),
        }
    }

    fn client_hears(&mut self, turn: &Turn, mut channel: Channel, exchange: Exchange) {
        let reply = self.story.reply(turn.reply.expect("every exchange has its answer"));
        let mut bytes = reply.bytes.clone();
        let now = at(if reply.is_secured() { created(&tree(reply)).expect("a time stamp") } else { turn.received_at });
        let mut state = CommunicationState::Opened;
        match (turn.verdict, channel.receive(now, Some(exchange), &self.keys, &mut bytes)) {
            (
                Verdict::Accepted,
                ChannelHeard::Reply { message, .. } | ChannelHeard::Fault { message: Some(message), .. },
            ) => assert_eq!(message.body.of(&bytes), body(reply)),
            (Verdict::Accepted, ChannelHeard::Protocol) => {
                assert!(reply.bytes.is_empty());
                let told = channel.poll(now, &self.keys, &mut []);
                assert!(matches!(told, ChannelAction::Event(ChannelEvent::CallDone(_, Ok(Answered::Accepted)))));
            }
            (Verdict::Refused, ChannelHeard::Failed { error: ChannelError::UnsecuredFault(fault), .. }) => {
                assert!(!fault.secured);
                state = CommunicationState::Faulted;
            }
            (verdict, heard) => {
                self.wrong.push(format!("{} {}: {verdict:?}, and we hear {heard:?}", self.story.name, reply.file));
            }
        }
        assert_eq!((channel.calls(), channel.state()), (0, state), "{}", reply.file);
    }
}

#[test]
fn recorded_one_shot_messages_are_sent_and_taken_in_both_roles() {
    let names: Vec<&str> = ONE_SHOT.iter().map(|(name, _)| *name).chain(STORIES).collect();
    let (mut messages, mut equal, mut wrong) = (0, 0, Vec::new());
    for name in names {
        let story = Story::open(name);
        assert!(!story.turns.is_empty(), "{name}");
        let mut play = Play::new(&story);
        for turn in &story.turns {
            let (channel, exchange) = play.client_sends(turn);
            play.service_answers(turn, exchange);
            play.client_hears(turn, channel, exchange);
            messages += 2;
        }
        println!("{name}: {} of {} messages byte for byte", play.equal, story.turns.len() * 2);
        equal += play.equal;
        wrong.extend(play.wrong);
    }
    println!("{equal} of {messages} messages byte for byte");
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(equal, messages);
    assert!(messages > 270, "only {messages} messages");
}
