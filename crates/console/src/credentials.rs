//! Passwords: in the operating system's keyring under the service `tributary`, or, when the user says so, in this
//! process's memory until it ends. Nowhere else.
//!
//! Every call may block on the keyring daemon; `Console` makes them from blocking threads.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

pub use tributary_engine::Secret;

use crate::definition::{Credential, Place};

const SERVICE: &str = "tributary";

/// Why a password could not be kept or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// No keyring service answers.
    #[error("The keyring cannot be reached: {0}")]
    Unavailable(String),
    /// There is a keyring and it is locked.
    #[error("The keyring is locked: {0}")]
    Locked(String),
    /// The keyring has no such entry any more.
    #[error("The keyring holds no password for {0}")]
    Missing(String),
    /// It was kept for an earlier run only.
    #[error("The password for {0} was kept for an earlier run only")]
    Forgotten(String),
}

impl CredentialError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => {
                "Install and start a Secret Service such as gnome-keyring or KWallet, or keep the password for this run only."
            }
            Self::Locked(_) => "Unlock the login keyring and try again, or keep the password for this run only.",
            Self::Missing(_) | Self::Forgotten(_) => "Edit the replica and enter the password again.",
        }
    }
}

/// Where passwords are kept for good.
pub trait Keyring: Send + Sync {
    /// Keeps `secret` under `account`.
    ///
    /// # Errors
    /// When the keyring is missing or locked.
    fn set(&self, account: &str, secret: &Secret) -> Result<(), CredentialError>;
    /// The secret under `account`.
    ///
    /// # Errors
    /// When the keyring is missing or locked.
    fn get(&self, account: &str) -> Result<Option<Secret>, CredentialError>;
    /// Forgets `account`; it is no error when it is not there.
    ///
    /// # Errors
    /// When the keyring is missing or locked.
    fn delete(&self, account: &str) -> Result<(), CredentialError>;
}

/// The keyring of the operating system.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemKeyring;

impl SystemKeyring {
    fn entry(account: &str) -> Result<keyring::Entry, CredentialError> {
        keyring::Entry::new(SERVICE, account).map_err(classify)
    }
}

impl Keyring for SystemKeyring {
    fn set(&self, account: &str, secret: &Secret) -> Result<(), CredentialError> {
        Self::entry(account)?.set_password(secret.expose()).map_err(classify)
    }

    fn get(&self, account: &str) -> Result<Option<Secret>, CredentialError> {
        match Self::entry(account)?.get_password() {
            Ok(password) => Ok(Some(Secret::new(password))),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(error) => Err(classify(error)),
        }
    }

    fn delete(&self, account: &str) -> Result<(), CredentialError> {
        match Self::entry(account)?.delete_credential() {
            Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
            Err(error) => Err(classify(error)),
        }
    }
}

/// `keyring`'s own texts name no secret, except `BadEncoding`, which carries one: only its kind is told.
fn classify(error: keyring::Error) -> CredentialError {
    match error {
        keyring::Error::NoStorageAccess(reason) => CredentialError::Locked(reason.to_string()),
        keyring::Error::PlatformFailure(reason) => CredentialError::Unavailable(reason.to_string()),
        keyring::Error::BadEncoding(_) => CredentialError::Unavailable("its entry is not text".into()),
        other => CredentialError::Unavailable(other.to_string()),
    }
}

/// The passwords of every endpoint, wherever they are.
pub struct Vault {
    keyring: Box<dyn Keyring>,
    this_run: Mutex<HashMap<String, Secret>>,
}

impl Vault {
    /// A vault on `keyring`.
    #[must_use]
    pub fn new(keyring: Box<dyn Keyring>) -> Self {
        Self { keyring, this_run: Mutex::default() }
    }

    /// Whether the keyring can be used, found by looking for an entry that need not be there.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn probe(&self) -> Result<(), CredentialError> {
        self.keyring.get("probe").map(drop)
    }

    /// Keeps a secret where `credential` says, and only there.
    ///
    /// # Errors
    /// When the keyring is missing or locked.
    pub fn set(&self, credential: &Credential, secret: Secret) -> Result<(), CredentialError> {
        match credential.place {
            Place::Keyring => self.keyring.set(&credential.reference, &secret)?,
            Place::Memory => {
                self.memory().insert(credential.reference.clone(), secret);
            }
        }
        Ok(())
    }

    /// The secret that `credential` refers to. `address` is for the message.
    ///
    /// # Errors
    /// When it is not there, or the keyring is missing or locked.
    pub fn get(&self, credential: &Credential, address: &str) -> Result<Secret, CredentialError> {
        match credential.place {
            Place::Keyring => {
                let found = self.keyring.get(&credential.reference)?;
                found.ok_or_else(|| CredentialError::Missing(address.to_owned()))
            }
            Place::Memory => {
                let found = self.memory().get(&credential.reference).cloned();
                found.ok_or_else(|| CredentialError::Forgotten(address.to_owned()))
            }
        }
    }

    /// Forgets a secret where `credential` says it is, and only there.
    ///
    /// # Errors
    /// When the keyring is missing or locked.
    pub fn delete(&self, credential: &Credential) -> Result<(), CredentialError> {
        match credential.place {
            Place::Keyring => self.keyring.delete(&credential.reference),
            Place::Memory => {
                self.memory().remove(&credential.reference);
                Ok(())
            }
        }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, HashMap<String, Secret>> {
        self.this_run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod fake {
    use super::*;

    /// A keyring for tests: it remembers, or refuses.
    #[derive(Default, Clone)]
    pub(crate) struct FakeKeyring {
        pub kept: std::sync::Arc<Mutex<HashMap<String, Secret>>>,
        pub refuses: Option<CredentialError>,
    }

    impl FakeKeyring {
        fn open(&self) -> Result<std::sync::MutexGuard<'_, HashMap<String, Secret>>, CredentialError> {
            match &self.refuses {
                Some(error) => Err(error.clone()),
                None => Ok(self.kept.lock().unwrap()),
            }
        }
    }

    impl Keyring for FakeKeyring {
        fn set(&self, account: &str, secret: &Secret) -> Result<(), CredentialError> {
            self.open()?.insert(account.to_owned(), secret.clone());
            Ok(())
        }

        fn get(&self, account: &str) -> Result<Option<Secret>, CredentialError> {
            Ok(self.open()?.get(account).cloned())
        }

        fn delete(&self, account: &str) -> Result<(), CredentialError> {
            self.open()?.remove(account);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fake::FakeKeyring;
    use super::*;

    fn at(place: Place) -> Credential {
        Credential { reference: "r/s".into(), place }
    }

    #[test]
    fn a_password_for_this_run_never_reaches_the_keyring() {
        let keyring = FakeKeyring::default();
        let vault = Vault::new(Box::new(keyring.clone()));
        vault.set(&at(Place::Memory), Secret::new("hunter2".into())).unwrap();
        assert!(keyring.kept.lock().unwrap().is_empty());
        assert_eq!(vault.get(&at(Place::Memory), "h:1").unwrap().expose(), "hunter2");
        let next_run = Vault::new(Box::new(keyring));
        assert_eq!(next_run.get(&at(Place::Memory), "h:1"), Err(CredentialError::Forgotten("h:1".into())));
    }

    #[test]
    fn a_locked_keyring_is_told_and_memory_still_works() {
        let locked = CredentialError::Locked("no".into());
        let vault = Vault::new(Box::new(FakeKeyring { refuses: Some(locked.clone()), ..FakeKeyring::default() }));
        assert_eq!(vault.probe(), Err(locked.clone()));
        assert_eq!(vault.set(&at(Place::Keyring), Secret::new("x".into())), Err(locked));
        vault.set(&at(Place::Memory), Secret::new("x".into())).unwrap();
    }

    #[test]
    fn keyring_errors_say_whether_it_is_locked_or_missing_and_show_no_secret() {
        let locked = keyring::Error::NoStorageAccess("collection is locked".into());
        assert!(matches!(classify(locked), CredentialError::Locked(_)));
        let missing = keyring::Error::PlatformFailure("no bus".into());
        assert!(matches!(classify(missing), CredentialError::Unavailable(_)));
        let garbled = classify(keyring::Error::BadEncoding(b"hunter2".to_vec()));
        assert!(!format!("{garbled:?}").contains("hunter2"));
    }
}
