//! What a world is made from: settings, weather, and what the applications do. One seed, one world.

use soap_session_core::reliable::{ReliableSettings, RmVersion, Shape, TransmissionSettings};
use soap_session_core::soap::AddressingVersion;
use soap_session_core::time::Duration;

/// What happens to messages under way. Shares are percentages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weather {
    /// One way, in milliseconds.
    pub latency: u64,
    /// And at most so much more. It reorders.
    pub jitter: u64,
    /// Messages of the client that are lost.
    pub loss_out: u64,
    /// Messages of the service that are lost.
    pub loss_back: u64,
    /// Messages that come twice.
    pub duplication: u64,
    /// Failed exchanges whose client is not told for long.
    pub hanging: u64,
    /// From this moment on everything is lost.
    pub night: Option<u64>,
}

impl Weather {
    /// Everything arrives, once, in order.
    pub const FAIR: Self =
        Self { latency: 20, jitter: 0, loss_out: 0, loss_back: 0, duplication: 0, hanging: 0, night: None };
}

/// What a world is made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The seed of everything that is left to chance.
    pub seed: u64,
    /// How messages travel.
    pub shape: Shape,
    /// The settings of both sides.
    pub settings: ReliableSettings,
    /// What happens to messages.
    pub weather: Weather,
    /// Messages that the client's application says.
    pub client_says: usize,
    /// Messages that the service's application says (duplex).
    pub service_says: usize,
    /// Most milliseconds between two of them.
    pub pause: u64,
    /// Most milliseconds until a request has its reply.
    pub think: u64,
    /// Most milliseconds between two messages that an application takes; 0 takes at once.
    pub dwell: u64,
    /// Of hundred messages of a request-reply session, how many want no reply.
    pub one_way: u64,
}

impl Plan {
    /// Fair weather, WCF's settings but for timeouts and retries: nothing is given up.
    pub fn new(seed: u64, shape: Shape, version: RmVersion) -> Self {
        let settings = ReliableSettings {
            version,
            addressing: if version == RmVersion::V11 {
                AddressingVersion::Wsa10
            } else {
                AddressingVersion::August2004
            },
            ..ReliableSettings::default()
        };
        Self {
            seed,
            shape,
            settings,
            weather: Weather::FAIR,
            client_says: 10,
            service_says: if shape == Shape::Duplex { 10 } else { 0 },
            pause: 100,
            think: 0,
            dwell: 0,
            one_way: 0,
        }
    }

    /// Nothing is ever given up: retries and timeouts without end. The timeout of a retransmission doubles without a limit, so that
    /// foul weather takes ages.
    #[must_use]
    pub fn patient(mut self) -> Self {
        let ages = Duration::from_secs(1_000_000_000_000_000);
        self.settings = ReliableSettings {
            max_retry_count: 1000,
            inactivity_timeout: ages,
            send_timeout: ages,
            open_timeout: ages,
            close_timeout: ages / 2,
            requestor_interval: ages / 100_000,
            ..self.settings
        };
        self
    }

    /// With fast retransmission.
    #[must_use]
    pub fn fast(mut self) -> Self {
        self.settings.transmission =
            TransmissionSettings { fast_retransmission: Some(3), ..self.settings.transmission };
        self
    }
}

/// SplitMix64: chance for weather and applications.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to `most`, both included.
    pub const fn upto(&mut self, most: u64) -> u64 {
        if most == u64::MAX { self.next() } else { self.next() % (most + 1) }
    }

    /// Yes, in `share` of hundred cases.
    pub const fn percent(&mut self, share: u64) -> bool {
        self.next() % 100 < share
    }
}
