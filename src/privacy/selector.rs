//! Selectors: where a rule applies.
//!
//! ```text
//! any    = all *( "||" all )
//! all    = term *( "&&" term )
//! term   = [ "!" ] ( "(" any ")" | "$string" | "$number" | "$key" | path )
//! path   = step *( "." step )
//! step   = "**" (any number of levels) | "*" (one level) | name | "'" any characters "'"
//! ```
//! `attributes.**` is everything below `attributes`; `$string && !name` every text but the event's name; `**.'http.url'` a member
//! whose name holds a dot. `$key` is a member's name itself, at the path of its value. Array items are steps `0`, `1`, ...
//!
//! Matching allocates nothing: a [`Place`] is a chain on the stack, read from its end.

use std::fmt;

use super::detect::{Names, Says};

/// What kind of thing a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// A string.
    String,
    /// A number.
    Number,
    /// The name of an object's member.
    Key,
    /// `true`, `false`, `null`, an object or an array: no word of a selector stands for it.
    Other,
}

/// A path from the root of an event or value, as a chain of steps that ends at the leaf.
#[derive(Clone, Copy)]
pub struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    step: Step<'p>,
    /// What the name beside it in a pair calls it.
    called: Option<&'p str>,
    said: Option<Says>,
    /// Whether it is a text that is read as a document: what is below is written in it.
    document: bool,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Name(&'p str),
    Index(usize),
}

impl<'p> Place<'p> {
    /// A member of the root.
    pub fn root(name: &'p str) -> Self {
        Place { parent: None, step: Step::Name(name), called: None, said: None, document: false }
    }

    /// A member below `parent`, or of the root.
    pub fn member(parent: Option<&'p Place<'p>>, name: &'p str) -> Self {
        Place { parent, step: Step::Name(name), called: None, said: None, document: false }
    }

    /// An array's item below `parent`, or of the root.
    pub fn item(parent: Option<&'p Place<'p>>, index: usize) -> Self {
        Place { parent, step: Step::Index(index), called: None, said: None, document: false }
    }

    /// The same place, with the name that stands beside it: the value of `{"name": "phone", "value": "..."}` is called `phone`. Selectors
    /// do not see it.
    pub fn called(self, name: Option<&'p str>) -> Self {
        Place { called: name, ..self }
    }

    /// The same place, with what its names say of the value. Selectors do not see it.
    pub fn saying(self, said: Option<Says>) -> Self {
        Place { said, ..self }
    }

    /// The same place, as the root of the document that its text is.
    pub fn as_document(&self) -> Self {
        Place { document: true, ..*self }
    }

    /// The outermost text in which it is written, if it is inside a document.
    fn enclosing_text(&self) -> Option<&Place<'p>> {
        std::iter::successors(self.parent, |place| place.parent).filter(|place| place.document).last()
    }

    /// Whether it is a user: a name in it may be any word.
    pub fn is_of_account(&self) -> bool {
        matches!(self.step, Step::Name("user" | "actor" | "person" | "identity"))
    }

    /// Whether its names say what it holds.
    pub fn is_announced(&self) -> bool {
        self.member_or_self().said.is_some()
    }

    /// The member in whose array it is, however deep.
    fn member_or_self(&self) -> &Place<'p> {
        let mut place = self;
        while let Place { parent: Some(parent), step: Step::Index(_), .. } = place {
            place = parent;
        }
        place
    }

    /// The names of the nearest members at and above this place.
    pub fn names(&self) -> Names<'p> {
        let mut names = Names::default();
        let mut place = Some(self.member_or_self());
        names.1 = place.and_then(|place| place.said);
        let mut slots = names.0.iter_mut();
        while let Some(Place { parent, step, called, .. }) = place {
            let own = if let Step::Name(name) = step { Some(*name) } else { None };
            for name in [*called, own].into_iter().flatten() {
                let Some(slot) = slots.next() else { return names };
                *slot = name;
            }
            place = *parent;
        }
        names
    }
}

impl Place<'_> {
    /// The place as a selector that matches it, so that an operator can paste it into a rule; of a member's name, the place of its value, with `*` for the
    /// name itself.
    pub(super) fn path(&self, value: ValueType) -> String {
        let mut path = self.parent.map_or_else(String::new, |parent| parent.path(ValueType::String));
        if !path.is_empty() {
            path.push('.');
        }
        match self.step {
            Step::Name(_) if value == ValueType::Key => path.push('*'),
            Step::Name(name) if is_plain(name) => path.push_str(name),
            Step::Name(name) if name.contains('\'') => path.push('*'),
            Step::Name(name) => path.extend(["'", name, "'"]),
            Step::Index(index) => path.push_str(&index.to_string()),
        }
        path
    }
}

/// Whether a selector takes a name without quotes.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// A compiled selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(Expr);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expr {
    Any(Vec<Expr>),
    All(Vec<Expr>),
    Not(Box<Expr>),
    Type(ValueType),
    Path(Vec<Glob>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Glob {
    Deep,
    One,
    Name(String),
}

/// Why a text is not a selector.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{problem} at character {at}")]
pub struct Invalid {
    problem: &'static str,
    at: usize,
}

/// Parentheses deeper than this are refused, so that a policy cannot exhaust the stack.
const NESTING_MAX: usize = 16;

impl Selector {
    /// Every place.
    pub fn everywhere() -> Self {
        Selector(Expr::Path(vec![Glob::Deep]))
    }

    /// Reads one selector.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut parser = Parser { text, at: 0, depth: 0 };
        let expr = parser.any()?;
        match parser.peek() {
            None => Ok(Selector(expr)),
            Some(_) => Err(parser.fail("expected `&&`, `||` or the end")),
        }
    }

    /// A selector that matches where any of `selectors` does.
    pub fn any_of(selectors: Vec<Selector>) -> Self {
        Selector(Expr::Any(selectors.into_iter().map(|s| s.0).collect()))
    }

    /// Whether it matches every place without looking.
    pub fn is_everywhere(&self) -> bool {
        matches!(&self.0, Expr::Path(globs) if matches!(globs.as_slice(), [Glob::Deep]))
    }

    /// Whether it matches a value of type `value` at `place` (`None`: the root itself).
    ///
    /// What is inside a document that is a text is where the text is: a rule for `body` holds for all of a body, whatever is written in it.
    pub fn matches(&self, place: Option<&Place<'_>>, value: ValueType) -> bool {
        match place.and_then(Place::enclosing_text) {
            Some(text) => self.0.matches(Some(text), ValueType::String),
            None => self.0.matches(place, value),
        }
    }
}

impl Expr {
    fn matches(&self, place: Option<&Place<'_>>, value: ValueType) -> bool {
        match self {
            Expr::Any(parts) => parts.iter().any(|part| part.matches(place, value)),
            Expr::All(parts) => parts.iter().all(|part| part.matches(place, value)),
            Expr::Not(part) => !part.matches(place, value),
            Expr::Type(wanted) => *wanted == value,
            Expr::Path(globs) => path_matches(globs, place),
        }
    }
}

/// Wildcard matching from the end of both sequences: on a mismatch the last `**` takes one more step.
fn path_matches(globs: &[Glob], place: Option<&Place<'_>>) -> bool {
    let mut rest = globs;
    let mut at = place;
    let mut retry: Option<(&[Glob], Option<&Place<'_>>)> = None;
    loop {
        match (rest.split_last(), at) {
            (Some((Glob::Deep, before)), _) => {
                retry = Some((before, at));
                rest = before;
                continue;
            }
            (Some((glob, before)), Some(step)) if glob.matches(step.step) => {
                rest = before;
                at = step.parent;
                continue;
            }
            (None, None) => return true,
            (Some(_) | None, _) => {}
        }
        match retry {
            Some((before, Some(taken))) => {
                retry = Some((before, taken.parent));
                rest = before;
                at = taken.parent;
            }
            Some((_, None)) | None => return false,
        }
    }
}

impl Glob {
    fn matches(&self, step: Step<'_>) -> bool {
        match (self, step) {
            (Glob::Deep | Glob::One, _) => true,
            (Glob::Name(name), Step::Name(step)) => name == step,
            (Glob::Name(name), Step::Index(index)) => name.parse() == Ok(index),
        }
    }
}

/// Prints a selector that means the same, written in one way; a policy's hash is made of it.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[Expr], operator: &str| {
            for (n, part) in parts.iter().enumerate() {
                f.write_str(if n == 0 { "" } else { operator })?;
                match part {
                    Expr::Any(_) | Expr::All(_) => write!(f, "({part})")?,
                    Expr::Not(_) | Expr::Type(_) | Expr::Path(_) => write!(f, "{part}")?,
                }
            }
            Ok(())
        };
        match self {
            Expr::Any(parts) => joined(f, parts, " || "),
            Expr::All(parts) => joined(f, parts, " && "),
            Expr::Not(part) => match **part {
                Expr::Any(_) | Expr::All(_) => write!(f, "!({part})"),
                Expr::Not(_) | Expr::Type(_) | Expr::Path(_) => write!(f, "!{part}"),
            },
            Expr::Type(value) => f.write_str(match value {
                ValueType::String => "$string",
                ValueType::Number => "$number",
                ValueType::Key => "$key",
                ValueType::Other => "",
            }),
            Expr::Path(globs) => globs.iter().enumerate().try_for_each(|(n, glob)| {
                f.write_str(if n == 0 { "" } else { "." })?;
                match glob {
                    Glob::Deep => f.write_str("**"),
                    Glob::One => f.write_str("*"),
                    Glob::Name(name) if name.is_empty() || name.contains(is_special) => write!(f, "'{name}'"),
                    Glob::Name(name) => f.write_str(name),
                }
            }),
        }
    }
}

/// Characters that end an unquoted name.
fn is_special(c: char) -> bool {
    c.is_whitespace() || ".*!&|()'$".contains(c)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Expr, Invalid> {
        self.list("||", Parser::all, Expr::Any)
    }

    fn all(&mut self) -> Result<Expr, Invalid> {
        self.list("&&", Parser::term, Expr::All)
    }

    fn list(
        &mut self,
        operator: &str,
        part: fn(&mut Self) -> Result<Expr, Invalid>,
        join: fn(Vec<Expr>) -> Expr,
    ) -> Result<Expr, Invalid> {
        let first = part(self)?;
        let mut parts = vec![];
        while self.take(operator) {
            parts.push(part(self)?);
        }
        if parts.is_empty() {
            return Ok(first);
        }
        parts.insert(0, first);
        Ok(join(parts))
    }

    fn term(&mut self) -> Result<Expr, Invalid> {
        if self.depth == NESTING_MAX {
            return Err(self.fail("nested too deep"));
        }
        self.depth += 1;
        let expr = self.bare_term();
        self.depth -= 1;
        expr
    }

    fn bare_term(&mut self) -> Result<Expr, Invalid> {
        if self.take("!") {
            return Ok(Expr::Not(Box::new(self.term()?)));
        }
        if self.take("(") {
            let inner = self.any()?;
            return if self.take(")") { Ok(inner) } else { Err(self.fail("expected `)`")) };
        }
        if self.peek() == Some('$') {
            let start = self.at;
            self.at += 1;
            return match self.word() {
                "string" => Ok(Expr::Type(ValueType::String)),
                "number" => Ok(Expr::Type(ValueType::Number)),
                "key" => Ok(Expr::Type(ValueType::Key)),
                _ => Err(Invalid { problem: "expected `$string`, `$number` or `$key`", at: start }),
            };
        }
        let mut globs = vec![self.step()?];
        while self.rest().starts_with('.') {
            self.at += 1;
            globs.push(self.step()?);
        }
        Ok(Expr::Path(globs))
    }

    fn step(&mut self) -> Result<Glob, Invalid> {
        if self.take("**") {
            return Ok(Glob::Deep);
        }
        if self.take("*") {
            return Ok(Glob::One);
        }
        if self.take("'") {
            let quoted = self.rest().split_once('\'').map(|(name, _)| name.to_owned());
            let Some(name) = quoted else { return Err(self.fail("expected a closing `'`")) };
            self.at += name.len() + 1;
            return Ok(Glob::Name(name));
        }
        let name = self.word();
        if name.is_empty() {
            Err(self.fail("expected a name, `*`, `**` or `$string`"))
        } else {
            Ok(Glob::Name(name.to_owned()))
        }
    }

    /// The characters of an unquoted name: everything but white space and the characters that mean something.
    fn word(&mut self) -> &str {
        let rest = self.text.get(self.at..).unwrap_or("");
        let end = rest.find(is_special).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or("")
    }

    fn take(&mut self, token: &str) -> bool {
        self.peek();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Skips white space and shows the next character.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        let blank = rest.len() - rest.trim_start().len();
        self.at += blank;
        self.rest().chars().next()
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn fail(&self, problem: &'static str) -> Invalid {
        Invalid { problem, at: self.at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, path: &[&str], value: ValueType) -> bool {
        fn descend(selector: &Selector, parent: Option<&Place<'_>>, path: &[&str], value: ValueType) -> bool {
            match path.split_first() {
                None => selector.matches(parent, value),
                Some((step, rest)) => {
                    let place = step.parse().map_or(Place::member(parent, step), |index| Place::item(parent, index));
                    descend(selector, Some(&place), rest, value)
                }
            }
        }
        descend(&Selector::parse(selector).unwrap(), None, path, value)
    }

    #[test]
    fn globs_types_and_operators_mean_what_the_manual_says() {
        use ValueType::{Key, Number, String};
        for (selector, path, value, expected) in [
            ("**", &[][..], String, true),
            ("**", &["a", "b"], Number, true),
            ("attributes.**", &["attributes", "a", "0", "b"], String, true),
            ("attributes.**", &["name"], String, false),
            ("attributes.*", &["attributes", "a"], String, true),
            ("attributes.*", &["attributes", "a", "b"], String, false),
            ("**.email", &["attributes", "x", "email"], String, true),
            ("**.email", &["email"], String, true),
            ("**.a.**.b", &["a", "b", "a", "c", "b"], String, true),
            ("**.a.**.b", &["a", "b", "c"], String, false),
            ("attributes.0.x", &["attributes", "0", "x"], String, true),
            ("**.'http.url'", &["attributes", "http.url"], String, true),
            ("$string && !name", &["name"], String, false),
            ("$string && !name", &["body"], String, true),
            ("$string && !name", &["body"], Number, false),
            ("$key || (a && $number)", &["a"], Key, true),
            ("$key || (a && $number)", &["a"], Number, true),
            ("$key || (a && $number)", &["a"], String, false),
            ("!(a || b)", &["c"], String, true),
        ] {
            assert_eq!(matches(selector, path, value), expected, "{selector} on {path:?}");
        }
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same() {
        for text in
            ["**", "a.*.**", "**.'http.url'", "$string && !name", "$key || (a && $number)", "!(a || b) && !!c", "''"]
        {
            let selector = Selector::parse(text).unwrap();
            assert_eq!(Selector::parse(&selector.to_string()), Ok(selector), "{text}");
        }
        assert_eq!(Selector::parse(" **.x&&$key").unwrap().to_string(), "**.x && $key");
    }

    #[test]
    fn what_is_not_a_selector_is_refused_with_the_place() {
        for (text, at) in
            [("", 0), ("a &&", 4), ("a b", 2), ("$sting", 0), ("(a", 2), ("a..b", 2), ("'a", 1), ("a & b", 2)]
        {
            assert_eq!(Selector::parse(text).unwrap_err().at, at, "{text}");
        }
        assert!(Selector::parse(&"(".repeat(100_000)).is_err());
        assert!(Selector::parse(&"!".repeat(100_000)).is_err());
    }
}
