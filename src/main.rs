//! The native command `homing`.

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    homing::cli::run()
}

#[cfg(target_arch = "wasm32")]
fn main() {}
