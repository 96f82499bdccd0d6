//! A store on the heap.

use soap_session_core::store::Store;

/// Tables of so many places, each a box of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Heap(pub(super) usize);

impl Store for Heap {
    type Of<T> = Box<[T]>;

    fn make<T>(&self, mut make: impl FnMut() -> T) -> Box<[T]> {
        (0..self.0).map(|_| make()).collect()
    }
}
