//! A client and a service without an allocator, and the count of what they allocated. What is to be copied is `device.rs` beside this
//! file; here it is run, and every allocation of the thread is counted: there must be none, from the machines' making to their end.
//!
//! ```sh
//! cargo run -p soap-session-examples --example fixed_buffers
//! ```
#![no_std]

extern crate std;

mod device;

use std::println;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut outcome = None;
    let counted = allocation_counter::measure(|| outcome = device::session(42, 100));
    let Some(device::Outcome { total, sent, lost }) = outcome else {
        println!("the session failed");
        return ExitCode::FAILURE;
    };
    println!("the hub's total is {total}: 1 + 2 + ... + 100; {sent} requests, {lost} of them lost");
    println!("{} allocations", counted.count_total);
    if total == 5050 && counted.count_total == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
