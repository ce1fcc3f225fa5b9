//! Passwords from the URL, the environment, a file or a prompt. None is ever printed.

use std::io::IsTerminal;
use std::path::Path;

use tributary_engine::{Endpoint, Secret};

/// Gives an endpoint without a password the first that is found.
///
/// # Errors
/// When a file cannot be read, or there is no terminal to ask at.
pub fn complete(endpoint: &mut Endpoint, variable: &str, file: Option<&Path>, ask: bool) -> Result<(), String> {
    if endpoint.password.is_some() {
        return Ok(());
    }
    endpoint.password = match (file, std::env::var(variable)) {
        (Some(path), _) => Some(read(path)?),
        (None, Ok(password)) if !password.is_empty() => Some(Secret::new(password)),
        _ if ask => prompt(endpoint)?,
        _ => None,
    };
    Ok(())
}

/// The file's first line.
///
/// # Errors
/// When it cannot be read, or is empty.
pub fn read(path: &Path) -> Result<Secret, String> {
    let text =
        std::fs::read_to_string(path).map_err(|e| format!("cannot read the password in {}: {e}", path.display()))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line.to_owned())),
        _ => Err(format!("{} holds no password", path.display())),
    }
}

fn prompt(endpoint: &Endpoint) -> Result<Option<Secret>, String> {
    if !std::io::stdin().is_terminal() {
        return Err("--ask-passwords needs a terminal".to_owned());
    }
    let question = format!("Password of {} (empty for none): ", endpoint.address());
    let password = rpassword::prompt_password(question).map_err(|e| format!("cannot read a password: {e}"))?;
    Ok(Some(password).filter(|p| !p.is_empty()).map(Secret::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_in_the_url_comes_first_and_a_file_gives_its_first_line() {
        let path = std::env::temp_dir().join(format!("tributary-password-{}", std::process::id()));
        std::fs::write(&path, "from file\nsecond line\n").unwrap();
        let mut bare = Endpoint::parse("redis://h").unwrap();
        complete(&mut bare, "TRIBUTARY_TEST_UNSET", Some(&path), false).unwrap();
        assert_eq!(bare.password.as_ref().map(Secret::expose), Some("from file"));
        let mut full = Endpoint::parse("redis://:own@h").unwrap();
        complete(&mut full, "TRIBUTARY_TEST_UNSET", Some(&path), false).unwrap();
        assert_eq!(full.password.as_ref().map(Secret::expose), Some("own"));
        std::fs::write(&path, "\n").unwrap();
        let mut none = Endpoint::parse("redis://h").unwrap();
        assert!(complete(&mut none, "TRIBUTARY_TEST_UNSET", Some(&path), false).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
