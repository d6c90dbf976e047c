//! What queries and filters may say: tables, functions, operators, and the engine's settings.
//!
//! The engine's own session resolves names through catalogs; ours never does. A query's names are looked up in [`Tables`], which has the
//! tables of one tenant and nothing else: no schemas, no files, no table functions, no variables. So no text can name another tenant's
//! events, whatever it says. The base session is shared by all tenants and holds no data.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the engine's enums have dozens of variants that mean nothing here"
)]

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use chrono::DateTime;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, TableReference};
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::prelude::{SQLOptions, SessionConfig};
use datafusion::sql::parser::Statement;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::ExprWithAlias;

use arrow::datatypes::DataType;

use crate::clock::Millis;

use super::error::{Error, Stage};
use super::function::{AttributePlanner, checked, scalar_functions};

/// A session without tables, and without memory to speak of: enough to plan, and to evaluate filters.
static BASE: LazyLock<SessionState> = LazyLock::new(|| {
    let mut config = SessionConfig::new()
        // A query runs on one thread: cutting its work in pieces would cost and bring nothing.
        .with_target_partitions(1)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    options.execution.enable_recursive_ctes = false;
    let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(AttributePlanner)];
    planners.extend(SessionStateDefaults::default_expr_planners());
    SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::new(RuntimeEnv::default()))
        .with_expr_planners(planners)
        .with_scalar_functions(scalar_functions())
        .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .build()
});

/// A session in which it is `now`.
pub(super) fn session(now: Millis) -> SessionState {
    let mut state = BASE.clone();
    state.execution_props_mut().query_execution_start_time = DateTime::from_timestamp_millis(now.0);
    state
}

/// What a query runs in: memory out of one pool, and nothing is ever written to disk, where it would lie in the clear.
pub(super) fn runtime(memory_max: usize) -> Result<Arc<RuntimeEnv>> {
    let pool = datafusion::execution::memory_pool::GreedyMemoryPool::new(memory_max);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build_arc()
}

/// `session` with that runtime.
pub(super) fn within(session: SessionState, runtime: Arc<RuntimeEnv>) -> SessionState {
    SessionStateBuilder::new_from_existing(session).with_runtime_env(runtime).build()
}

/// `condition` with types made to fit and constants worked out.
pub(super) fn folded(session: &SessionState, condition: Expr, schema: &DFSchema) -> Result<Expr> {
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(session.config_options()))
        .with_query_execution_start_time(session.execution_props().query_execution_start_time)
        .build();
    let simplifier = ExprSimplifier::new(context);
    simplifier.simplify(simplifier.coerce(condition, schema)?)
}

/// The tables of one tenant.
pub(super) struct Tables<'s> {
    session: &'s SessionState,
    tables: HashMap<&'static str, Arc<dyn TableSource>>,
}

impl<'s> Tables<'s> {
    pub(super) fn new(
        session: &'s SessionState,
        tables: impl IntoIterator<Item = (&'static str, Arc<dyn TableSource>)>,
    ) -> Tables<'s> {
        Tables { session, tables: tables.into_iter().collect() }
    }

    /// What a query means.
    pub(super) fn plan(&self, statement: Statement) -> Result<LogicalPlan, Error> {
        let planned = SqlToRel::new_with_options(self, self.parser_options()).statement_to_plan(statement);
        let verified = planned.and_then(|plan| {
            let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
            read_only.verify_plan(&plan)?;
            plan.apply_with_subqueries(|node| node.apply_expressions(checked_deeply))?;
            Ok(plan)
        });
        verified.map_err(|error| Error::of(&error, Stage::Planning))
    }

    /// What a condition over rows of `schema` means.
    pub(super) fn condition(&self, condition: ExprWithAlias, schema: &DFSchema) -> Result<Expr, Error> {
        let planner = SqlToRel::new_with_options(self, self.parser_options());
        let planned = planner.sql_to_expr_with_alias(condition, schema, &mut PlannerContext::new());
        let verified = planned.and_then(|expr| {
            expr.apply(|inner| row_by_row(inner).map(|()| TreeNodeRecursion::Continue))?;
            checked_deeply(&expr).map(|_| expr)
        });
        verified.map_err(|error| Error::of(&error, Stage::Planning))
    }

    fn parser_options(&self) -> ParserOptions {
        ParserOptions::new().with_collect_spans(self.options().sql_parser.collect_spans)
    }
}

fn checked_deeply(expr: &Expr) -> Result<TreeNodeRecursion> {
    expr.apply(|inner| checked(inner).map(|()| TreeNodeRecursion::Continue))
}

/// Refuses what is not about one row.
fn row_by_row(expr: &Expr) -> Result<()> {
    match expr {
        Expr::AggregateFunction(_)
        | Expr::WindowFunction(_)
        | Expr::Exists(_)
        | Expr::InSubquery(_)
        | Expr::SetComparison(_)
        | Expr::ScalarSubquery(_) => {
            Err(Error::mistake("a condition is about one event: no aggregates, windows or queries").wrapped())
        }
        _ => Ok(()),
    }
}

impl ContextProvider for Tables<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let TableReference::Bare { table } = &name else { return Err(unknown_table()) };
        self.tables.get(&**table).cloned().ok_or_else(unknown_table)
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.session.expr_planners()
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.session.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.session.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.session.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.session.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.session.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.session.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.session.window_functions().keys().cloned().collect()
    }
}

fn unknown_table() -> datafusion::error::DataFusionError {
    Error::mistake("a table is unknown: there are `events` and `metrics`").wrapped()
}
