//! Laws that must hold whatever happens, tested over random cases. One file a law, under `laws/`.

mod laws;
