//! The native command `homing`.

fn main() -> std::process::ExitCode {
    homing_cli::run()
}
