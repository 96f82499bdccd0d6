//! Programs to copy from. Each is one file in `examples/`, says at its top what it teaches, and is run by `tests/run.rs`.
//!
//! | example | teaches |
//! |---|---|
//! | `calculator_server` | being a service with sessions, on tokio or smol |
//! | `calculator_client` | calling one |
//! | `throttled_service` | who waits for a session's permit, who is refused, and what the service says about it |
//! | `event_loop_client` | driving the core from a loop of one's own: a client on `std::net`, in one thread |
//! | `event_loop_service` | the same for a service with many sessions |
//! | `fixed_buffers` | client and service without an allocator |
//! | `simulated_time` | testing an application in simulated time, on a network that loses messages |
//!
//! `cargo run -p soap-session-examples --example NAME` runs one.
