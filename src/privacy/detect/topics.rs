//! The words that announce data, by topic and in all languages that we know them in.
//!
//! To teach a detector a label, add the word here: lower case, one word or two with a blank between them. A word may stand under several
//! topics.

use std::sync::LazyLock;

use hashbrown::HashMap;

use super::context::Topics;

macro_rules! topics {
    ($($(#[$doc:meta])* $topic:ident: $($word:literal)*;)*) => {
        /// What a word announces.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Topic {
            $($(#[$doc])* $topic,)*
        }

        const WORDS: &[(Topic, &[&str])] = &[$((Topic::$topic, &[$($word),*])),*];
    };
}

topics! {
    /// A telephone number.
    Phone: "phone" "phones" "tel" "telephone" "mobile" "cell" "cellphone" "fax" "whatsapp" "sms" "msisdn" "telefon" "telefono" "telefoon" "handy" "mobil" "movil" "celular" "callback" "gsm"
        "hotline" "rufnummer" "téléphone";
    /// A telephone number if it is also written like one.
    Call: "call" "calling" "contact" "reach" "dial" "text" "ring" "voicemail";
    /// A payment card: longer numbers are often other ids.
    Card: "card" "cards" "cc" "ccn" "pan" "credit" "debit" "visa" "mastercard" "amex" "unionpay" "maestro" "payment";
    /// A US social security or taxpayer number.
    Ssn: "ssn" "ssns" "socialsecurity" "social security" "itin";
    /// A hardware address.
    Mac: "mac" "macs" "hwaddr" "hwaddress" "lladdr" "ether" "bssid" "wifi" "wlan" "ethernet" "macaddr" "macaddress" "mac address" "hardware address" "physical address";
    /// A version or a place in a document: four numbers with dots are no address then.
    Version: "v" "version" "versions" "ver" "build" "release" "firmware" "sdk" "driver" "upgraded" "upgrade" "revision" "rev" "patch" "oid" "chapter" "section" "clause" "paragraph" "figure" "appendix" "article" "rule";
}

/// Words by what they announce.
static BY_WORD: LazyLock<HashMap<&'static [u8], Topics>> = LazyLock::new(|| {
    let mut by_word: HashMap<&'static [u8], Topics> = HashMap::new();
    for (topic, words) in WORDS {
        for word in *words {
            let topics = by_word.entry(word.as_bytes()).or_default();
            *topics = *topics | Topics::of(*topic);
        }
    }
    by_word
});

/// What a word, or two with a blank between them, announces.
pub(super) fn of_words(lower: &[u8]) -> Topics {
    BY_WORD.get(lower).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_can_be_found() {
        for (topic, words) in WORDS {
            for word in *words {
                assert!(super::super::context::topics_of(word.as_bytes()).has(*topic), "{word}");
            }
        }
    }
}
