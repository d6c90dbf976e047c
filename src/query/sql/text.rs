//! The text of a query: bounded, and one `SELECT` or one expression.
//!
//! Bounds are laid on tokens before anything is parsed, since what parses and plans recurses over what it is given: a chain of ten thousand
//! `+` needs no bracket to be as deep. Whatever is not a plain query is refused here by its form; the planner refuses it once more by its
//! meaning (see [`super::language`]).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the engine's enums have dozens of variants that mean nothing here"
)]

use std::ops::ControlFlow;

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    self, ExprWithAlias, Query, Select, SetExpr, Statement as SqlStatement, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::error::{Error, Stage};

/// Bounds of one text.
struct Bounds {
    bytes: usize,
    tokens: usize,
    /// Queries and joins in one another and side by side.
    queries: usize,
    /// Expressions in one another.
    depth: usize,
}

/// A page of SQL; lists of a thousand values fit.
const QUERY: Bounds = Bounds { bytes: 32 << 10, tokens: 4096, queries: 24, depth: 100 };
/// A condition that fits into a URL.
const FILTER: Bounds = Bounds { bytes: 4 << 10, tokens: 512, queries: 0, depth: 50 };
/// Brackets in one another.
const NESTING_MAX: usize = 40;
/// Texts that one statement may put together. What is put together can be put together again, so that each more may double what comes out,
/// and the engine does not count it against its memory.
const JOINED_MAX: usize = 16;
/// A replacement counts as this many, since every letter may become a few dozen.
const REPLACED: usize = 8;

/// Reads a text that must be one `SELECT`.
pub(super) fn query(text: &str) -> Result<Statement, Error> {
    const ONE_SELECT: Error = Error::Mistake { what: "only one SELECT is allowed", place: None };
    let mut parser = DFParserBuilder::new(tokens(text, &QUERY)?)
        .with_dialect(&GenericDialect {})
        .with_recursion_limit(NESTING_MAX)
        .build()
        .map_err(|error| Error::of(&error, Stage::Planning))?;
    let mut statements = parser.parse_statements().map_err(|error| Error::of(&error, Stage::Planning))?;
    let (Some(Statement::Statement(statement)), true) = (statements.pop_front(), statements.is_empty()) else {
        return Err(ONE_SELECT);
    };
    let SqlStatement::Query(query) = *statement else { return Err(ONE_SELECT) };
    checked(&*query, &QUERY)?;
    Ok(Statement::Statement(Box::new(SqlStatement::Query(query))))
}

/// Reads a text that must be one expression.
pub(super) fn expression(text: &str) -> Result<ExprWithAlias, Error> {
    let mut parser = DFParserBuilder::new(tokens(text, &FILTER)?)
        .with_dialect(&GenericDialect {})
        .with_recursion_limit(NESTING_MAX)
        .build()
        .map_err(|error| Error::of(&error, Stage::Planning))?;
    let parsed = parser.parse_into_expr().map_err(|error| Error::of(&error, Stage::Planning))?;
    checked(&parsed.expr, &FILTER)?;
    match parsed.alias {
        None => Ok(parsed),
        Some(_) => Err(Error::mistake("a condition has no name")),
    }
}

/// What a text asks, without what it asks for: every text and quoted name in it replaced, and no comments. For records, which are for ever.
pub fn shape(text: &str) -> String {
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, text).tokenize() else { return "not understood".to_owned() };
    let shown = tokens.into_iter().map(|token| match token {
        Token::Whitespace(_) => " ".to_owned(),
        Token::Word(word) if word.quote_style.is_some() => "\"?\"".to_owned(),
        Token::Word(_) | Token::Number(..) => token.to_string(),
        Token::Char(_) => "?".to_owned(),
        token if token.to_string().chars().any(char::is_alphanumeric) => "'?'".to_owned(),
        token => token.to_string(),
    });
    shown.collect()
}

fn tokens(text: &str, bounds: &Bounds) -> Result<Vec<TokenWithSpan>, Error> {
    if text.len() > bounds.bytes {
        return Err(Error::TooLarge { what: "bytes", limit: bounds.bytes });
    }
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location();
    let mut tokens = tokens.map_err(|error| Error::of(&ParserError::from(error).into(), Stage::Planning))?;
    let counted = |counts: fn(&Token) -> bool| tokens.iter().filter(|token| counts(&token.token)).count();
    if counted(|token| !matches!(token, Token::Whitespace(_))) > bounds.tokens {
        return Err(Error::TooLarge { what: "words and signs", limit: bounds.tokens });
    }
    if counted(begins_query) > bounds.queries {
        let mistake = Error::mistake("a condition cannot hold a query");
        return Err(if bounds.queries == 0 {
            mistake
        } else {
            Error::TooLarge { what: "queries and joins", limit: bounds.queries }
        });
    }
    tokens.iter_mut().for_each(|token| user_is_a_column(&mut token.token));
    Ok(tokens)
}

fn begins_query(token: &Token) -> bool {
    use Keyword::{EXCEPT, INTERSECT, JOIN, LATERAL, MINUS, SELECT, TABLE, UNION, VALUES};
    let Token::Word(word) = token else { return false };
    let counts = [SELECT, UNION, EXCEPT, INTERSECT, MINUS, JOIN, LATERAL, VALUES, TABLE];
    word.quote_style.is_none() && counts.contains(&word.keyword)
}

/// To the parser `user` is a function without arguments; here it is a column.
fn user_is_a_column(token: &mut Token) {
    if let Token::Word(word) = token
        && word.keyword == Keyword::USER
    {
        word.keyword = Keyword::NoKeyword;
    }
}

/// Refuses what parses and is more than a query.
fn checked(parsed: &impl Visit, bounds: &Bounds) -> Result<(), Error> {
    match parsed.visit(&mut Check { depth: 0, joined: 0, bounds }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Check<'b> {
    depth: usize,
    joined: usize,
    bounds: &'b Bounds,
}

/// How many texts an expression puts together.
fn joins(expr: &ast::Expr) -> usize {
    match expr {
        ast::Expr::BinaryOp { op: ast::BinaryOperator::StringConcat, .. } => 2,
        ast::Expr::Function(call) => {
            let name = call.name.0.last().and_then(|part| part.as_ident()).map(|name| name.value.to_lowercase());
            match (name.as_deref(), &call.args) {
                (Some("concat" | "concat_ws"), ast::FunctionArguments::List(list)) => list.args.len(),
                (Some("replace" | "regexp_replace"), _) => REPLACED,
                _ => 0,
            }
        }
        _ => 0,
    }
}

impl Visitor for Check<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<Error> {
        self.depth += 1;
        self.joined += joins(expr);
        if self.joined > JOINED_MAX {
            return ControlFlow::Break(Error::TooLarge { what: "texts put together", limit: JOINED_MAX });
        }
        if self.depth > self.bounds.depth {
            return ControlFlow::Break(Error::TooLarge { what: "levels of expressions", limit: self.bounds.depth });
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _: &ast::Expr) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        let plain = query.locks.is_empty() && query.for_clause.is_none() && is_read(&query.body);
        if plain { ControlFlow::Continue(()) } else { ControlFlow::Break(Error::mistake("only one SELECT is allowed")) }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        if select.into.is_none() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(Error::mistake("only one SELECT is allowed"))
        }
    }
}

fn is_read(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => true,
        SetExpr::SetOperation { left, right, .. } => is_read(left) && is_read(right),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_select_is_understood() {
        for text in [
            "SELECT 1",
            "select user, count(*) from events where user is not null group by user;",
            "WITH a AS (SELECT * FROM events) SELECT attributes['a.b'] FROM a UNION ALL SELECT name FROM metrics",
            "VALUES (1)",
        ] {
            assert!(query(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "SELECT 1; SELECT 2",
            "INSERT INTO events VALUES (1)",
            "UPDATE events SET name = 'a'",
            "DELETE FROM events",
            "CREATE TABLE a AS SELECT 1",
            "CREATE EXTERNAL TABLE a STORED AS CSV LOCATION '/etc/passwd'",
            "COPY events TO 'file.csv'",
            "COPY (SELECT 1) TO 'file.csv'",
            "DROP TABLE events",
            "SET datafusion.execution.batch_size = 1",
            "RESET datafusion.execution.batch_size",
            "SHOW TABLES",
            "EXPLAIN SELECT 1",
            "EXPLAIN ANALYZE SELECT 1",
            "DESCRIBE events",
            "PREPARE a AS SELECT 1",
            "EXECUTE a",
            "BEGIN",
            "SELECT 1 INTO a",
            "SELECT * FROM events FOR UPDATE",
            "WITH a AS (DELETE FROM events) SELECT 1",
            "SELECT * FROM",
        ] {
            assert!(query(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_place_of_a_mistake_is_named() {
        let error = query("SELECT *\nFROM events WHEREVER x = 'canary'").unwrap_err();
        assert!(error.to_string().contains("line 2, column"), "{error}");
        assert!(!error.to_string().contains("canary"));
    }

    #[test]
    fn texts_are_bounded_before_they_are_parsed() {
        let bounded = std::thread::Builder::new().stack_size(super::super::STACK_BYTES).spawn(check_bounds);
        bounded.unwrap().join().unwrap();
    }

    fn check_bounds() {
        let chain = |length: usize| vec!["1"; length].join("+");
        let large = |text: &str| matches!(query(text), Err(Error::TooLarge { .. }));
        assert!(query(&format!("SELECT {}", chain(90))).is_ok());
        assert!(large(&format!("SELECT {}", chain(150))));
        assert!(large(&format!("SELECT {}", chain(5000))));
        assert!(large(&format!("SELECT '{}'", "x".repeat(40_000))));
        assert!(large(&vec!["SELECT 1"; 40].join(" UNION ALL ")));
        assert!(query(&format!("SELECT {}1{}", "(".repeat(2000), ")".repeat(2000))).is_err());
        assert!(query("SELECT a || b || c, concat(a, b), replace(a, 'b', 'c') FROM events").is_ok());
        let chain =
            (0..10).fold("SELECT 'a' AS s".to_owned(), |inner, n| format!("SELECT s || s AS s FROM ({inner}) AS t{n}"));
        assert!(large(&chain));
        let from = "FROM (SELECT 'a' AS s) AS t";
        for name in ["concat", "CONCAT", "\"concat\""] {
            assert!(
                large(&format!("SELECT {} {from}", vec![format!("{name}(s, s, s, s, s, s)"); 3].join(" = "))),
                "{name}"
            );
        }
        assert!(large(&format!("SELECT replace(replace(replace(s, 'a', 'b'), 'a', 'b'), 'a', 'b') {from}")));
        assert!(query(&format!("SELECT * FROM events WHERE name IN ({})", vec!["'a'"; 1000].join(","))).is_ok());
    }

    #[test]
    fn the_shape_of_a_text_names_nobody() {
        let text = "SELECT name, 7 -- canary\nFROM events /* canary */ WHERE \"canary\" = E'canary' AND user LIKE 'canary%' OR x = $$canary$$";
        let shape = shape(text);
        assert!(!shape.contains("canary"), "{shape}");
        assert!(shape.starts_with("SELECT name, 7") && shape.contains("user LIKE '?'"), "{shape}");
        assert_eq!(super::shape("SELECT 'open"), "not understood");
    }

    #[test]
    fn a_condition_is_one_expression() {
        assert!(expression("name = 'a' AND attributes['b'] LIKE '%c%' OR user IS NULL").is_ok());
        for text in ["", "a = 1 AS b", "a = (SELECT 1)", "EXISTS (SELECT 1)", "a = 1; b", "a = 1, b = 2", "SELECT 1"] {
            assert!(expression(text).is_err(), "{text}");
        }
    }
}
