//! JSON from the command line, a file or standard input.

use std::io::Read as _;
use std::path::Path;

use anyhow::Result;
use serde_json::value::RawValue;

use crate::exit::UsageError;

/// What the flag says, or else the file, byte for byte as it was written.
pub(in crate::commands) fn json_text(
    flag: &str,
    text: Option<String>,
    file: Option<&Path>,
) -> Result<Option<Box<RawValue>>> {
    let (text, source) = match (text, file) {
        (Some(text), _) => (text, flag.to_owned()),
        (None, Some(path)) => (read(path)?, path.display().to_string()),
        (None, None) => return Ok(None),
    };
    RawValue::from_string(text).map(Some).map_err(|error| {
        UsageError(format!("{source} is not JSON: {error} (a text needs quotes: '\"text\"')"))
            .into()
    })
}

fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    let outcome = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(path).map(|content| text = content)
    };
    match outcome {
        Ok(()) => Ok(text),
        Err(error) => Err(UsageError(format!("can't read {}: {error}", path.display())).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_is_sent_as_it_was_written() {
        let text = r#"{"b": 1.50, "a": 12345678901234567890123}"#;
        let input =
            json_text("--input", Some(text.to_owned()), None).expect("valid").expect("given");
        assert_eq!(input.get(), text);
    }

    #[test]
    fn an_input_that_is_not_json_is_refused_with_advice() {
        let error = json_text("--input", Some("hello".to_owned()), None).expect_err("refused");
        assert!(error.to_string().contains("needs quotes"), "{error}");
        let error =
            json_text("--input", None, Some(Path::new("/no/such/file"))).expect_err("refused");
        assert!(error.is::<UsageError>());
    }
}
