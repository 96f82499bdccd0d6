//! What the machines keep of the application's messages.

use bytes::Bytes;
use soap_session_core::exchange::Outgoing;
use soap_session_core::session::{FaultReply, Kept};
use soap_session_core::soap::fault::QName;

/// A message of the application on its way out, in either role.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Letter {
    action: Bytes,
    body: Bytes,
    two_way: bool,
    fault: bool,
    /// The namespace and the name of the header block that the fault is about.
    block: Option<Box<(String, String)>>,
}

impl Letter {
    pub(crate) const fn request(action: Bytes, body: Bytes, two_way: bool) -> Self {
        Self { action, body, two_way, fault: false, block: None }
    }

    pub(crate) const fn reply(action: Bytes, body: Bytes, fault: bool) -> Self {
        Self { action, body, two_way: false, fault, block: None }
    }
}

impl Outgoing for Letter {
    fn action(&self) -> &[u8] {
        &self.action
    }
    fn body(&self) -> &[u8] {
        &self.body
    }
    fn two_way(&self) -> bool {
        self.two_way
    }
    fn is_fault(&self) -> bool {
        self.fault
    }
    fn not_understood(&self) -> Option<QName<'_>> {
        self.block.as_deref().map(|(namespace, local)| QName { namespace, local })
    }
}

impl FaultReply for Letter {
    fn fault(action: &str, body: &[u8], _: Kept) -> Self {
        Self::reply(Bytes::copy_from_slice(action.as_bytes()), Bytes::copy_from_slice(body), true)
    }

    fn must_understand(action: &str, body: &[u8], request: Kept, block: QName<'_>) -> Self {
        let block = Some(Box::new((block.namespace.to_owned(), block.local.to_owned())));
        Self { block, ..Self::fault(action, body, request) }
    }
}
