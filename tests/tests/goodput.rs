//! The benchmark of goodput is simulated: it says the same every time, and nothing impossible.

use soap_session_core::reliable::Shape;
use soap_session_tests::reliable_world::{Flow, bound, goodput};

#[test]
fn goodput_is_the_same_every_time_and_below_the_bound() {
    for shape in [Shape::OneWay, Shape::Duplex] {
        for fast in [false, true] {
            let flow = Flow { shape, window: 8, loss: 5, round_trip: 50, fast };
            let first = goodput(flow, 200);
            assert!((first - goodput(flow, 200)).abs() < f64::EPSILON);
            assert!(first > 0.0 && first <= bound(flow) * 1.1, "{first}");
        }
    }
}
