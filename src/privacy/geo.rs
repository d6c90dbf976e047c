//! Where an address is: country and region, out of a local database, before the address is cut.
//!
//! The database is an MMDB file of the operator's (`privacy.geo_database`), held in memory as a whole; nothing is asked of the network. What it
//! answers is taken only in the form of a code (ISO 3166-1, ISO 3166-2): a name, a place or a postal code cannot get out of here, whatever the
//! file holds. Known are the layouts of MaxMind and those who follow it (`country.iso_code`, `subdivisions[0].iso_code`) and the flat one
//! (`country_code`).
//!
//! A file that is not whole is refused when it is opened, so that a lookup never has to say more than that it does not know.

use std::net::IpAddr;
use std::path::Path;

use maxminddb::{LookupResult, PathElement, Reader, WithinOptions};

/// The attribute that holds a region, as OpenTelemetry names it.
pub const REGION_ATTRIBUTE: &str = "geo.region.iso_code";
/// The largest file that is read: twice what the most detailed databases for sale take.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Networks that are looked at for a first country; one that has none among them is a database of something else.
const PROBED_NETWORKS_MAX: usize = 10_000;

/// What of an address's whereabouts is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeoPolicy {
    /// The country.
    pub country: bool,
    /// The region within it, which tells much more of a person.
    pub region: bool,
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("the geo database cannot be read")]
    Io(#[from] std::io::Error),
    /// It is larger than any database of countries.
    #[error("the geo database is larger than 1 GiB")]
    TooLarge,
    /// It is no MMDB file, or a damaged one.
    #[error("the geo database is no whole MMDB file")]
    Damaged(#[from] maxminddb::MaxMindDbError),
    /// It is a database of something else.
    #[error("the geo database knows no countries: it needs `country.iso_code` or `country_code`")]
    NoCountries,
}

/// An open database. Immutable; a new file is a new one.
pub struct GeoDatabase(Reader<Vec<u8>>);

/// What is known of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whereabouts {
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// ISO 3166-2: the country, `-`, and one to three letters or digits.
    pub region: Option<String>,
}

impl GeoDatabase {
    /// Reads a file and checks all of it.
    pub fn open(path: &Path) -> Result<GeoDatabase, Error> {
        if std::fs::metadata(path)?.len() > FILE_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        GeoDatabase::from_bytes(std::fs::read(path)?)
    }

    /// The database in these bytes, checked.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<GeoDatabase, Error> {
        let reader = Reader::from_source(bytes)?;
        reader.verify()?;
        let knows = |found: Result<LookupResult<'_, Vec<u8>>, _>| found.is_ok_and(|found| country(&found).is_some());
        let any = reader.networks(WithinOptions::default())?.take(PROBED_NETWORKS_MAX).any(knows);
        if any { Ok(GeoDatabase(reader)) } else { Err(Error::NoCountries) }
    }

    /// What is known of `address`, as far as `policy` asks.
    pub fn look_up(&self, address: IpAddr, policy: GeoPolicy) -> Whereabouts {
        let wanted = policy.country || policy.region;
        // An IPv6 address in a database of IPv4 is an error there, and unknown here.
        let Some(found) = wanted.then(|| self.0.lookup(address).ok()).flatten() else { return Whereabouts::default() };
        let country = country(&found);
        let region = country.as_ref().filter(|_| policy.region).and_then(|country| region(&found, country));
        Whereabouts { country: country.filter(|_| policy.country), region }
    }
}

fn country(found: &LookupResult<'_, Vec<u8>>) -> Option<String> {
    let nested = text(found, &["country".into(), "iso_code".into()]);
    let code = nested.or_else(|| text(found, &["country_code".into()]))?;
    (code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase())).then(|| code.to_owned())
}

fn region(found: &LookupResult<'_, Vec<u8>>, country: &str) -> Option<String> {
    let code = text(found, &["subdivisions".into(), PathElement::Index(0), "iso_code".into()])?;
    let well_formed =
        (1..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    well_formed.then(|| format!("{country}-{code}"))
}

fn text<'f>(found: &LookupResult<'f, Vec<u8>>, path: &[PathElement<'_>]) -> Option<&'f str> {
    // Another layout is an error there, and unknown here.
    found.decode_path(path).ok().flatten()
}

#[cfg(test)]
pub(crate) mod mmdb;

#[cfg(test)]
mod tests {
    use super::mmdb::{Field, Mmdb, place};
    use super::*;

    const BOTH: GeoPolicy = GeoPolicy { country: true, region: true };

    fn open(mmdb: &Mmdb) -> Result<GeoDatabase, String> {
        GeoDatabase::from_bytes(mmdb.bytes()).map_err(|error| error.to_string())
    }

    fn look_up(database: &GeoDatabase, address: &str, policy: GeoPolicy) -> (Option<String>, Option<String>) {
        let Whereabouts { country, region } = database.look_up(address.parse().unwrap(), policy);
        (country, region)
    }

    fn sample() -> Mmdb {
        Mmdb::new()
            .with("192.0.2.0/24", place("DE", Some("BY")))
            .with("198.51.100.128/25", place("FR", None))
            .with("2001:db8:7::/48", place("JP", Some("13")))
    }

    #[test]
    fn addresses_of_both_families_are_found_and_only_what_is_asked_for_is_told() {
        let database = open(&sample()).unwrap();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(look_up(&database, "192.0.2.77", BOTH), (some("DE"), some("DE-BY")));
        assert_eq!(look_up(&database, "198.51.100.200", BOTH), (some("FR"), None));
        assert_eq!(look_up(&database, "198.51.100.1", BOTH), (None, None));
        assert_eq!(look_up(&database, "2001:db8:7::1", BOTH), (some("JP"), some("JP-13")));
        assert_eq!(look_up(&database, "2001:db8:8::1", BOTH), (None, None));
        let country = GeoPolicy { country: true, region: false };
        assert_eq!(look_up(&database, "192.0.2.77", country), (some("DE"), None));
        let region = GeoPolicy { country: false, region: true };
        assert_eq!(look_up(&database, "192.0.2.77", region), (None, some("DE-BY")));
        let nothing = GeoPolicy { country: false, region: false };
        assert_eq!(look_up(&database, "192.0.2.77", nothing), (None, None));
    }

    #[test]
    fn the_flat_layout_is_read_and_what_is_no_code_is_not_told() {
        let flat = |code: &str| Field::map([("country", Field::text("Germany")), ("country_code", Field::text(code))]);
        let database =
            open(&Mmdb::new().with("192.0.2.0/25", flat("DE")).with("192.0.2.128/25", flat("Ann Example"))).unwrap();
        assert_eq!(look_up(&database, "192.0.2.1", BOTH), (Some("DE".to_owned()), None));
        assert_eq!(look_up(&database, "192.0.2.129", BOTH), (None, None));
        let database = open(&Mmdb::new().with("192.0.2.0/24", place("DE", Some("1 Main Street")))).unwrap();
        assert_eq!(look_up(&database, "192.0.2.1", BOTH), (Some("DE".to_owned()), None));
    }

    #[test]
    fn a_file_that_is_no_database_of_countries_is_refused() {
        let refusal = |bytes: Vec<u8>| GeoDatabase::from_bytes(bytes).err().expect("must be refused").to_string();
        for bytes in [Vec::new(), b"not a database".to_vec(), vec![0; 4096]] {
            assert!(refusal(bytes).contains("no whole MMDB file"));
        }
        let networks = Mmdb::new().with("192.0.2.0/24", Field::map([("asn", Field::text("AS64500"))]));
        assert!(refusal(networks.bytes()).contains("knows no countries"));
        let path = Path::new("no/such/file.mmdb");
        assert!(GeoDatabase::open(path).err().expect("must be refused").to_string().contains("cannot be read"));
    }

    /// Whatever is wrong with a file, opening it or looking things up in it does not panic, and no text but a code comes out.
    #[test]
    fn a_damaged_file_is_refused_or_tells_codes_only() {
        let whole = sample().bytes();
        for cut in 0..whole.len() {
            assert!(GeoDatabase::from_bytes(whole[..cut].to_vec()).is_err(), "cut at {cut}");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            let Ok(database) = GeoDatabase::from_bytes(bytes) else { continue };
            for address in ["192.0.2.77", "2001:db8:7::1"] {
                let (country, region) = look_up(&database, address, BOTH);
                assert!(country.is_none_or(|code| code.len() == 2) && region.is_none_or(|code| code.len() <= 6));
            }
        }
    }
}
