use std::process::ExitCode;

fn main() -> ExitCode {
    wgpu_dropout_cli::main()
}
