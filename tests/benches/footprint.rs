//! How many bytes a session takes: idle, secure or not, and what a busy one takes besides. Sizes of types: the same on every
//! run.

use soap_session_tests::footprint::footprint;

fn main() {
    println!("| of the core's state, with the default capacities | bytes |");
    println!("|---|---|");
    for (name, bytes) in footprint() {
        println!("| {name} | {bytes} |");
    }
}
