//! Links a program of its own entry point: no C runtime, no C library, nothing loaded at run time.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let arguments = [
        "-nostartfiles",
        "-nodefaultlibs",
        "-static",
        // Not position-independent: nobody would relocate it.
        "-no-pie",
        // The compiled `core` names the function that unwinding asks; a panic here aborts, so that nothing calls it.
        "-Wl,--defsym=rust_eh_personality=0",
    ];
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
