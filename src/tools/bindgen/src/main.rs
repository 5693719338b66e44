//! What `wasm-bindgen --target web --no-typescript --omit-default-module-path` does, as a command whose every dependency is pinned by hash: the lock of
//! `wasm-bindgen-cli` itself may name crates newer than a registry serves, and without its lock anything may get in.
use std::process::ExitCode;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [wasm, folder, name] = args.as_slice() else {
        eprintln!("usage: homing-bindgen WASM FOLDER NAME; makes FOLDER/NAME.js and FOLDER/NAME_bg.wasm");
        return ExitCode::FAILURE;
    };
    let mut bindgen = Bindgen::new();
    bindgen.typescript(false).input_path(wasm).out_name(name);
    match bindgen.web(true).and_then(|bindgen| bindgen.generate(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("homing-bindgen: {wasm}: {error:?}");
            ExitCode::FAILURE
        }
    }
}
