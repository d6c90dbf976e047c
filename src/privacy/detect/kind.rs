//! The families of data that can be found, and sets of them.
//!
//! A kind's name is the id of the rule that redacts it, the word after `detector =` in a policy, and what receipts count by: one line here
//! makes a kind known everywhere.

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $placeholder:literal;)*) => {
        /// A family of data. Its name is the id of the rule that redacts it and the word after `detector =` in a policy.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: [Kind; [$(Kind::$kind),*].len()] = [$(Kind::$kind),*];

            /// The name in policies and receipts.
            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                }
            }

            /// What stands in for it unless a rule says otherwise.
            pub fn placeholder(self) -> &'static str {
                match self {
                    $(Kind::$kind => $placeholder,)*
                }
            }
        }
    };
}

kinds! {
    /// An e-mail address.
    Email = "email", "[email]";
    /// A telephone number.
    Phone = "phone", "[phone]";
    /// A payment card number.
    Card = "card", "[card]";
    /// An international bank account number.
    Iban = "iban", "[iban]";
    /// An IPv4 or IPv6 address.
    Ip = "ip", "[ip]";
    /// A hardware (MAC) address.
    Mac = "mac", "[mac]";
    /// A US social security number.
    Ssn = "ssn", "[ssn]";
    /// A JSON web token.
    Jwt = "jwt", "[jwt]";
    /// The credentials after `Bearer` or `Basic`.
    Bearer = "bearer", "[token]";
    /// A provider's key or token, known by its prefix.
    ApiKey = "api_key", "[api-key]";
    /// A private key in PEM form.
    PrivateKey = "private_key", "[private-key]";
    /// User information in a URL.
    UrlCredentials = "url_credentials", "[credentials]";
    /// A secret among the parameters of a URL.
    QuerySecret = "query_secret", "[secret]";
    /// A value that the name before it (or of its member) declares a secret.
    SecretKey = "secret_key", "[secret]";
    /// A person's name.
    Person = "person", "[person]";
    /// A postal address, or the street in one.
    PostalAddress = "postal_address", "[address]";
    /// A user's name in the path of a home directory.
    UserPath = "user_path", "[user]";
}

impl Kind {
    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u128);

impl Kinds {
    /// Every kind.
    pub const ALL: Kinds = Kinds((1 << Kind::ALL.len()) - 1);

    /// Adds a kind.
    pub fn insert(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u8;
    }

    /// Whether it holds a kind.
    pub fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}
