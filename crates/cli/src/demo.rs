use std::process::ExitCode;

use tributary_console::demo::Demo;
use tributary_engine::{StartMode, start};

use crate::args::DemoArgs;
use crate::run::{NEEDS_A_PERSON, watch};

/// `tributary demo`. Everything that it started is stopped with it.
///
/// # Errors
/// When signals cannot be received.
pub async fn demo(args: DemoArgs) -> Result<ExitCode, String> {
    let demo = match Demo::start().await {
        Ok(demo) => demo,
        Err(error) => {
            eprintln!("tributary: {error}\n  {}", error.hint());
            return Ok(ExitCode::from(NEEDS_A_PERSON));
        }
    };
    let spec = demo.spec();
    if let (false, Some(source)) = (args.json, spec.sources.first()) {
        eprintln!("Source       {}", source.endpoint.url_redacted());
        eprintln!("Destination  {}", spec.destination.url_redacted());
        eprintln!("Ctrl+C stops the servers and everything else.");
    }
    let code = watch(start(spec, StartMode::MayFlush), args.json).await;
    demo.stop().await;
    code
}
