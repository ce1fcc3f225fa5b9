//! Endpoints as the command line gives them: URL, password, TLS.

use std::path::Path;

use tributary_engine::{ClientIdentity, Endpoint, ReplicaSpec, Secret, TlsOptions, TlsVersion, Trust};

use crate::args::{ServersArgs, TlsArgs};
use crate::{identity, passwords};

/// Where what is not in the URL comes from.
pub struct Entry<'a> {
    /// The file of the password.
    pub password_file: Option<&'a Path>,
    /// Whether to ask for a missing password.
    pub ask: bool,
    /// TLS of all endpoints.
    pub tls: &'a TlsArgs,
}

impl Entry<'_> {
    /// A source.
    ///
    /// # Errors
    /// What is wrong with the command line.
    pub fn source(&self, url: &str) -> Result<Endpoint, String> {
        self.endpoint("--source", url, "TRIBUTARY_SOURCE_PASSWORD")
    }

    /// A destination.
    ///
    /// # Errors
    /// What is wrong with the command line.
    pub fn destination(&self, url: &str) -> Result<Endpoint, String> {
        let endpoint = self.endpoint("--destination", url, "TRIBUTARY_DESTINATION_PASSWORD")?;
        if endpoint.compression {
            return Err("--destination: ?compress= is for sources, whose link a relay compresses".to_owned());
        }
        Ok(endpoint)
    }

    fn endpoint(&self, what: &str, url: &str, variable: &str) -> Result<Endpoint, String> {
        let mut endpoint = Endpoint::parse(url).map_err(|e| format!("{what}: {e}"))?;
        passwords::complete(&mut endpoint, variable, self.password_file, self.ask)?;
        if let Some(options) = &mut endpoint.tls {
            complete(options, self.tls)?;
        }
        Ok(endpoint)
    }
}

impl ServersArgs {
    /// The replica that the arguments stand for.
    ///
    /// # Errors
    /// What is wrong with the command line.
    pub fn spec(&self) -> Result<ReplicaSpec, String> {
        let (ask, tls) = (self.ask_passwords, &self.tls);
        let of_sources = Entry { password_file: self.source_password_file.as_deref(), ask, tls };
        let of_destination = Entry { password_file: self.destination_password_file.as_deref(), ask, tls };
        let sources = self.source.iter().map(|url| of_sources.source(url)).collect::<Result<_, _>>()?;
        let destination = of_destination.destination(&self.destination)?;
        let spec = identity::spec(sources, destination, self.state.as_deref())?;
        spec.validate().map_err(|e| e.sentence)?;
        Ok(spec)
    }
}

/// The passphrase of encrypted keys, from the environment.
pub fn key_passphrase() -> Option<Secret> {
    let passphrase = std::env::var("TRIBUTARY_KEY_PASSPHRASE").ok()?;
    Some(passphrase).filter(|passphrase| !passphrase.is_empty()).map(Secret::new)
}

/// Fills in what the URL does not say.
fn complete(options: &mut TlsOptions, args: &TlsArgs) -> Result<(), String> {
    if let (Trust::System, Some(path)) = (&options.trust, &args.ca) {
        options.trust = Trust::File(path.clone());
    }
    if options.server_name.is_none() {
        options.server_name.clone_from(&args.sni);
    }
    if let (None, Some(certificate), Some(key)) = (&options.identity, &args.cert, &args.key) {
        options.identity =
            Some(ClientIdentity { certificate: certificate.clone(), key: key.clone(), passphrase: None });
    }
    let oldest = args.tls_min.as_deref().and_then(TlsVersion::parse).unwrap_or_default();
    options.oldest = options.oldest.max(oldest);
    options.insecure |= args.insecure;
    if let Some(identity) = &mut options.identity {
        identity.passphrase = match &args.key_passphrase_file {
            Some(path) => Some(passwords::read(path)?),
            None => key_passphrase(),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoints_own_parameters_come_before_the_arguments() {
        let args = TlsArgs { ca: Some("/all.pem".into()), sni: Some("all".to_owned()), ..TlsArgs::default() };
        let entry = Entry { password_file: None, ask: false, tls: &args };
        let tls = |url: &str| entry.source(url).unwrap().tls;
        let own = tls("rediss://h?ca=/own.pem").unwrap();
        assert_eq!((own.trust, own.server_name.as_deref()), (Trust::File("/own.pem".into()), Some("all")));
        assert_eq!(tls("rediss://h").unwrap().trust, Trust::File("/all.pem".into()));
        assert_eq!(tls("redis://h"), None);
    }

    #[test]
    fn a_destination_is_not_compressed() {
        let entry = Entry { password_file: None, ask: false, tls: &TlsArgs::default() };
        assert!(entry.destination("redis://h?compress=gzip").unwrap_err().contains("for sources"));
        assert!(entry.source("redis://h?compress=gzip").unwrap().compression);
    }
}
