//! A store on the heap whose size is known at run time only, as an adapter has one.

use soap_session_core::store::Store;

/// Tables of so many places, each a box of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heap(pub usize);

impl Store for Heap {
    type Of<T> = Box<[T]>;

    fn make<T>(&self, mut make: impl FnMut() -> T) -> Box<[T]> {
        (0..self.0).map(|_| make()).collect()
    }
}
