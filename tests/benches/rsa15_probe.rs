//! What a service's time tells of a key that was wrapped by RSA 1.5: for every fault, the time until it is refused, as a ratio to
//! that of a good key that is not the message's, measured in turns within one run. Beside the unwrapping alone stand whole
//! requests of 32 KiB, in which a fault that stopped early would spare the decryption.
//!
//! The last three rows can be told from a wrapped key by anybody: that they take less time tells nothing of the padding.
#![allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use soap_session_core::crypto::{KeyTransport, RustCrypto};
use soap_session_tests::rsa15::{Probe, Target, bindings, probes, service_key};
use std::hint::black_box;
use std::time::Instant;

const BODY: usize = 32_768;
const ROUNDS: usize = 301;

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Median microseconds of each probe; in every round they come in another order, so that none has the same one before it.
fn measure(probes: &[Probe], mut ask: impl FnMut(usize) -> f64) -> Vec<f64> {
    let (mut times, mut seed) = (vec![Vec::new(); probes.len()], 15_u64);
    let mut order: Vec<usize> = (0..probes.len()).collect();
    for _ in 0..ROUNDS {
        for place in 1..order.len() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(place, (seed >> 33) as usize % (place + 1));
        }
        for index in &order {
            times[*index].push(ask(*index));
        }
    }
    times.into_iter().map(median).collect()
}

fn main() {
    let probes = probes();
    let key = service_key();
    let mut columns = vec![("unwrap alone", {
        measure(&probes, |index| {
            let start = Instant::now();
            let _ = black_box(key.unwrap(KeyTransport::Rsa15, &probes[index].octets, &mut [0; 64]));
            start.elapsed().as_secs_f64() * 1e6
        })
    })];
    for (name, binding) in bindings() {
        let mut target = Target::<RustCrypto>::new(&binding, BODY);
        let messages: Vec<Vec<u8>> = probes.iter().map(|probe| target.with(&probe.octets)).collect();
        let times = measure(&probes, |index| {
            let mut message = messages[index].clone();
            let start = Instant::now();
            let _ = black_box(target.ask(&mut message));
            start.elapsed().as_secs_f64() * 1e6
        });
        columns.push((name, times));
    }
    for (name, times) in &columns {
        let secret = || times.iter().zip(&probes).filter(|(_, probe)| !probe.public).map(|(time, _)| time / times[0]);
        let (least, most) = (secret().fold(f64::INFINITY, f64::min), secret().fold(0.0, f64::max));
        println!("{name}: {:.0} us; every fault of the padding {least:.3} to {most:.3}", times[0]);
    }
    println!();
    let heads: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    println!("| key | {} |", heads.join(" | "));
    println!("|---|{}", "---|".repeat(columns.len()));
    for (index, probe) in probes.iter().enumerate() {
        let ratios = columns.iter().map(|(_, times)| format!("{:.3}", times[index] / times[0])).collect::<Vec<_>>();
        println!("| {} | {} |", probe.what, ratios.join(" | "));
    }
}
