//! How many messages a second a sender brings through loss: WCF's algorithm, ours with fast retransmission, and the bound.
//!
//! Simulated: every run prints the same table, on every machine.

use soap_session_core::reliable::Shape;
use soap_session_tests::reliable_world::{Flow, bound, goodput};

const MESSAGES: usize = 1000;

fn main() {
    println!("| shape | window | RTT ms | loss % | WCF's sender | fast | at most |");
    println!("|---|---|---|---|---|---|---|");
    for shape in [Shape::OneWay, Shape::Duplex] {
        for window in [8, 64] {
            for round_trip in [1, 50, 200] {
                for loss in [0, 1, 5, 20] {
                    let flow = Flow { shape, window, loss, round_trip, fast: false };
                    let (wcf, fast) = (goodput(flow, MESSAGES), goodput(Flow { fast: true, ..flow }, MESSAGES));
                    let most = bound(flow);
                    println!("| {shape:?} | {window} | {round_trip} | {loss} | {wcf:.1} | {fast:.1} | {most:.0} |");
                }
            }
        }
    }
}
