//! A small writer of MMDB files, for tests: IPv6 tree, 32-bit records, maps, texts and arrays.
//!
//! Follows the MaxMind DB File Format Specification 2.0. It shares no code with the reader, which is a library's.

use std::net::IpAddr;

/// A value of a record.
#[derive(Clone)]
pub enum Field {
    Text(String),
    Number(u16),
    Count(u32),
    Long(u64),
    Map(Vec<(String, Field)>),
    List(Vec<Field>),
}

impl Field {
    pub fn text(text: &str) -> Field {
        Field::Text(text.to_owned())
    }

    pub fn map<const N: usize>(members: [(&str, Field); N]) -> Field {
        Field::Map(members.into_iter().map(|(name, field)| (name.to_owned(), field)).collect())
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Field::Text(text) => {
                control(2, text.len(), out);
                out.extend_from_slice(text.as_bytes());
            }
            Field::Number(number) => {
                control(5, 2, out);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Field::Count(number) => {
                control(6, 4, out);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Field::Long(number) => {
                control(9, 8, out);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Field::Map(members) => {
                control(7, members.len(), out);
                for (name, field) in members {
                    Field::text(name).write(out);
                    field.write(out);
                }
            }
            Field::List(items) => {
                control(11, items.len(), out);
                items.iter().for_each(|item| item.write(out));
            }
        }
    }
}

/// Type and size of a value; types above 7 take a byte more, sizes above 28 too.
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (short, long) = if size < 29 { (size as u8, None) } else { (29, Some((size - 29) as u8)) };
    if kind <= 7 {
        out.push(kind << 5 | short);
    } else {
        out.extend([short, kind - 7]);
    }
    out.extend(long);
}

/// A record of a country and its region, in the layout of GeoIP2 City.
pub fn place(country: &str, region: Option<&str>) -> Field {
    let code = |code: &str| Field::map([("iso_code", Field::text(code))]);
    let mut members = vec![("country".to_owned(), code(country))];
    members.extend(region.map(|region| ("subdivisions".to_owned(), Field::List(vec![code(region)]))));
    Field::Map(members)
}

/// A database that is being written.
#[derive(Default)]
pub struct Mmdb {
    nodes: Vec<[u32; 2]>,
    data: Vec<u8>,
    /// Where in the tree a record is named: node, side, and its offset in the data.
    leaves: Vec<(usize, usize, usize)>,
}

impl Mmdb {
    pub fn new() -> Mmdb {
        Mmdb { nodes: vec![[u32::MAX; 2]], ..Mmdb::default() }
    }

    /// Adds a network, such as `192.0.2.0/24`. Networks must not overlap.
    pub fn with(mut self, network: &str, record: Field) -> Mmdb {
        let (address, length) = network.split_once('/').unwrap();
        let (bits, length) = match address.parse().unwrap() {
            // IPv4 lies below ::/96.
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), 96 + length.parse::<usize>().unwrap()),
            IpAddr::V6(v6) => (v6.to_bits(), length.parse().unwrap()),
        };
        let mut node = 0;
        for depth in 0..length - 1 {
            let side = (bits >> (127 - depth)) as usize & 1;
            if self.nodes[node][side] == u32::MAX {
                self.nodes[node][side] = self.nodes.len() as u32;
                self.nodes.push([u32::MAX; 2]);
            }
            node = self.nodes[node][side] as usize;
        }
        self.leaves.push((node, (bits >> (128 - length)) as usize & 1, self.data.len()));
        record.write(&mut self.data);
        self
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let count = self.nodes.len() as u32;
        let mut nodes: Vec<[u32; 2]> = self.nodes.iter().map(|node| node.map(|to| to.min(count))).collect();
        for (node, side, offset) in &self.leaves {
            nodes[*node][*side] = count + 16 + *offset as u32;
        }
        let mut out: Vec<u8> = nodes.iter().flatten().flat_map(|record| record.to_be_bytes()).collect();
        out.extend([0; 16]);
        out.extend_from_slice(&self.data);
        out.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
        let metadata = Field::map([
            ("binary_format_major_version", Field::Number(2)),
            ("binary_format_minor_version", Field::Number(0)),
            ("build_epoch", Field::Long(1_795_000_000)),
            ("database_type", Field::text("Test")),
            ("description", Field::map([("en", Field::text("Made by a test"))])),
            ("ip_version", Field::Number(6)),
            ("languages", Field::List(Vec::new())),
            ("node_count", Field::Count(count)),
            ("record_size", Field::Number(32)),
        ]);
        metadata.write(&mut out);
        out
    }
}
