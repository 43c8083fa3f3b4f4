use crate::Secret;
use sha2::Digest;
use sha2::Sha256;
use subtle::Choice;
use subtle::ConstantTimeEq;

/// The secrets that are accepted in one place: usually one, two while a sender
/// is being changed over.
///
/// Only digests are kept, and digests are compared, so that neither the length
/// nor a common beginning of a guess shows in the time it takes.
#[derive(Clone, Default)]
pub struct Accepted(Vec<[u8; 32]>);

impl Accepted {
    /// Accepts these and nothing else.
    pub fn new(secrets: &[Secret]) -> Self {
        Self(secrets.iter().map(|s| digest(s.reveal())).collect())
    }

    /// Whether nothing is accepted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares with every secret, whatever was found before. What is absent
    /// is compared too: as a text that no secret has, since none is empty.
    pub(crate) fn matches(&self, presented: Option<&str>) -> Choice {
        let presented = digest(presented.unwrap_or_default());
        self.0.iter().fold(Choice::from(0), |found, accepted| {
            found | accepted.ct_eq(&presented)
        })
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The token of an `Authorization: Bearer …` header.
pub(crate) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_two_live_secrets_is_accepted() {
        let accepted = Accepted::new(&[Secret::new("old"), Secret::new("new")]);
        for (presented, expected) in [
            (Some("old"), true),
            (Some("new"), true),
            (Some("ol"), false),
            (Some("oldnew"), false),
            (Some(""), false),
            (None, false),
        ] {
            assert_eq!(
                bool::from(accepted.matches(presented)),
                expected,
                "{presented:?}"
            );
        }
    }

    #[test]
    fn without_a_secret_nothing_is_accepted() {
        assert!(!bool::from(Accepted::default().matches(Some(""))));
        assert!(!bool::from(Accepted::default().matches(None)));
    }

    #[test]
    fn a_bearer_token_follows_its_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bearer"), None);
    }
}
