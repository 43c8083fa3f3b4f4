use crate::proof::Accepted;
use std::fmt;
use std::slice;
use zeroize::Zeroizing;

/// A password, key or token. It cannot be printed, logged or serialised, and
/// is wiped from memory when dropped. Nor can it be compared, since `==` ends at
/// the first difference and so tells how far a guess was right:
///
/// ```compile_fail,E0369
/// use integration_gateway::Secret;
/// let is_known = Secret::new("guess") == Secret::new("secret");
/// ```
///
/// ```compile_fail,E0277
/// use integration_gateway::Secret;
/// println!("{}", Secret::new("secret"));
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a secret's text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. Every call is a place to look at in a review.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether the two are the same, in a time that does not tell where they differ.
    pub fn is(&self, other: &Self) -> bool {
        let this = Accepted::new(slice::from_ref(self));
        this.matches(Some(other.reveal())).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
