//! The harness survives any bytes where it expects an HTTP head.

use proptest::prelude::*;
use soap_session_tests::{Head, StartLine};

proptest! {
    #[test]
    fn a_head_is_read_back_or_refused(status in 100u16..1000, name in "[A-Za-z-]{1,12}", value in "[ -~]{0,40}") {
        let head = Head::parse(&format!("HTTP/1.1 {status} Some Words\r\n{name}: {value}\r\n\r\n")).unwrap();
        prop_assert_eq!(head.start.clone(), StartLine::Status(status));
        prop_assert_eq!(head.field(&name.to_ascii_lowercase()), Some(value.trim()));
    }

    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        let _ = Head::parse(&text);
    }
}
