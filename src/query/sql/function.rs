//! The functions that queries and filters may call, and the members of the attributes.
//!
//! The engine's functions are admitted by name: what reaches outside (files, the environment, the engine's own version), what is random and
//! what makes gigabytes of a word is not on the list. `attributes['a.b']` becomes a call of [`ATTRIBUTE`]; where such a call stands on the
//! stored column the scan reads that one member (see [`path_of`]), and everywhere else it reads the JSON text.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the engine's enums have dozens of variants that mean nothing here"
)]

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, StringViewArray, StringViewBuilder};
use arrow::datatypes::DataType;
use datafusion::common::cast::as_string_view_array;
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::functions::all_default_functions;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawFieldAccessExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExpressionPlacement, GetFieldAccess, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, lit,
};

use crate::store::columns;

use super::error::Error;

/// The function that `attributes['a.b']` stands for.
pub(super) const ATTRIBUTE: &str = "attribute";
/// The column that it reads.
pub(super) const ATTRIBUTES: &str = "attributes";

/// The functions of the engine that may be called, by the engine's primary names.
#[rustfmt::skip]
const ALLOWED: [&str; 93] = [
    // Text.
    "ascii", "bit_length", "btrim", "character_length", "chr", "concat", "concat_ws", "contains", "ends_with",
    "find_in_set", "initcap", "left", "levenshtein", "lower", "ltrim", "octet_length", "replace", "reverse", "right",
    "rtrim", "split_part", "starts_with", "strpos", "substr", "substr_index", "to_hex", "translate", "upper",
    "regexp_count", "regexp_instr", "regexp_like", "regexp_match", "regexp_replace",
    // Dates.
    "current_date", "current_time", "date_bin", "date_part", "date_trunc", "from_unixtime", "make_date", "now",
    "to_char", "to_date", "to_local_time", "to_timestamp", "to_timestamp_micros", "to_timestamp_millis",
    "to_timestamp_nanos", "to_timestamp_seconds", "to_unixtime",
    // Numbers.
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "cos", "cosh", "cot", "degrees",
    "exp", "factorial", "floor", "gcd", "isnan", "iszero", "lcm", "ln", "log", "log10", "log2", "nanvl", "pi", "power",
    "radians", "round", "signum", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
    // Choices.
    "coalesce", "greatest", "least", "nullif", "nvl", "nvl2",
];

/// Functions whose second argument is a pattern: it must stand in the text, so that it is compiled once and not once a row.
const PATTERNS: [&str; 5] = ["regexp_count", "regexp_instr", "regexp_like", "regexp_match", "regexp_replace"];

/// Functions whose third argument takes the place of what is found.
const REPLACEMENTS: [&str; 2] = ["replace", "regexp_replace"];
/// The longest text that each match may be replaced by.
const REPLACEMENT_MAX: usize = 64;

/// The functions that queries may call.
pub(super) fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    let known = all_default_functions().into_iter().filter(|function| ALLOWED.contains(&function.name()));
    known.chain([Arc::clone(&ATTRIBUTE_FUNCTION)]).collect()
}

static ATTRIBUTE_FUNCTION: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(Attribute::new())));

/// Refuses expressions that the list of names cannot.
pub(super) fn checked(expr: &Expr) -> Result<()> {
    use datafusion::logical_expr::Operator::{RegexIMatch, RegexMatch, RegexNotIMatch, RegexNotMatch};
    let pattern = match expr {
        Expr::ScalarFunction(call) if PATTERNS.contains(&call.func.name()) => call.args.get(1),
        Expr::BinaryExpr(binary) if matches!(binary.op, RegexMatch | RegexIMatch | RegexNotMatch | RegexNotIMatch) => {
            Some(&*binary.right)
        }
        Expr::SimilarTo(like) | Expr::Like(like) => Some(&*like.pattern),
        _ => None,
    };
    if !matches!(pattern, None | Some(Expr::Literal(..))) {
        return Err(Error::mistake("a pattern must be written out, not computed").wrapped());
    }
    let replacement = match expr {
        Expr::ScalarFunction(call) if REPLACEMENTS.contains(&call.func.name()) => call.args.get(2),
        _ => None,
    };
    let is_short = |value: &ScalarValue| value.try_as_str().flatten().is_none_or(|text| text.len() <= REPLACEMENT_MAX);
    match replacement {
        None => Ok(()),
        Some(Expr::Literal(value, _)) if is_short(value) => Ok(()),
        Some(_) => Err(Error::mistake("a replacement must be written out and short").wrapped()),
    }
}

/// The column and the path that an expression reads if it is a call of [`ATTRIBUTE`].
pub(super) fn path_of(expr: &Expr) -> Option<(&Expr, &str)> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return None };
    match args.as_slice() {
        [column, Expr::Literal(path, _)] if func.name() == ATTRIBUTE => Some((column, path.try_as_str()??)),
        _ => None,
    }
}

/// Plans `attributes['a']['b']` as `attribute(attributes, 'a.b')`.
#[derive(Debug)]
pub(super) struct AttributePlanner;

impl ExprPlanner for AttributePlanner {
    fn plan_field_access(&self, access: RawFieldAccessExpr, _: &DFSchema) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let GetFieldAccess::NamedStructField { name } = &access.field_access else {
            return Ok(PlannerResult::Original(access));
        };
        let Some(Some(name)) = name.try_as_str() else { return Ok(PlannerResult::Original(access)) };
        let member = |column: &Expr, path: String| {
            let call = ScalarFunction::new_udf(Arc::clone(&ATTRIBUTE_FUNCTION), vec![column.clone(), lit(path)]);
            Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
        };
        match (&access.expr, path_of(&access.expr)) {
            (_, Some((column, outer))) => member(column, format!("{outer}.{name}")),
            (column @ Expr::Column(named), None) if named.name == ATTRIBUTES => member(column, name.to_owned()),
            _ => Err(Error::mistake("only `attributes` has members").wrapped()),
        }
    }
}

/// `attribute(json, path)`: the member of a JSON object as [`columns::member`] defines it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Attribute {
    signature: Signature,
}

impl Attribute {
    fn new() -> Attribute {
        let types = vec![DataType::Utf8View, DataType::Utf8];
        Attribute { signature: Signature::exact(types, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Attribute {
    fn name(&self) -> &str {
        ATTRIBUTE
    }

    /// Answers name the column as the query does.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(match args {
            [_, Expr::Literal(path, _)] => {
                format!("{ATTRIBUTES}['{}']", path.try_as_str().flatten().unwrap_or_default())
            }
            _ => ATTRIBUTE.to_owned(),
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let path = match args.args.get(1) {
            Some(ColumnarValue::Scalar(path)) => path.try_as_str().flatten().unwrap_or_default().to_owned(),
            Some(ColumnarValue::Array(_)) | None => {
                return Err(Error::mistake("the name of an attribute must be written out, not computed").wrapped());
            }
        };
        let Some(json) = args.args.first() else { return Err(DataFusionError::Internal(String::new())) };
        let json = json.to_array(args.number_rows)?;
        let found = members(as_string_view_array(&json)?, &path);
        Ok(ColumnarValue::Array(Arc::new(found)))
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        match args {
            [ExpressionPlacement::Column, ExpressionPlacement::Literal] => ExpressionPlacement::MoveTowardsLeafNodes,
            _ => ExpressionPlacement::KeepInPlace,
        }
    }
}

fn members(objects: &StringViewArray, path: &str) -> StringViewArray {
    let mut found = StringViewBuilder::with_capacity(objects.len());
    for object in objects {
        found.append_option(object.and_then(|object| columns::member(object, path)));
    }
    found.finish()
}

/// The path of a literal in a plan that is about to run.
pub(super) fn literal_path(value: &ScalarValue) -> Option<Arc<str>> {
    value.try_as_str().flatten().map(Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_on_the_list_is_a_function_of_the_engine() {
        let known: Vec<String> = all_default_functions().iter().map(|function| function.name().to_owned()).collect();
        let unknown: Vec<&str> = ALLOWED.into_iter().filter(|name| !known.iter().any(|n| n == name)).collect();
        assert_eq!(unknown, Vec::<&str>::new());
    }

    #[test]
    fn functions_that_reach_outside_or_blow_up_are_not_there() {
        let names: Vec<String> = scalar_functions().iter().map(|function| function.name().to_owned()).collect();
        for refused in
            ["repeat", "lpad", "rpad", "random", "uuid", "version", "arrow_cast", "input_file_name", "struct"]
        {
            assert!(!names.iter().any(|name| name == refused), "{refused}");
        }
    }
}
