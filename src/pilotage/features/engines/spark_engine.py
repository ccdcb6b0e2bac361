"""The engine for more than one machine: PySpark 4, in batches and in structured streams.

What runs where:

- Row expressions made of operations that IEEE 754 and SQL define in one way (:data:`NATIVE`) become Spark columns through Narwhals. The others
  (``log1p``, ``exp``, ``lower``, ``floor`` and what rests on it, ``round``) run as our own Polars kernel inside an Arrow function, so that they too
  have its bits.
- What looks at many rows (the as-of join, windows) is the very function of the Polars engine. Spark brings the rows of some of the entities together
  (a hash of the key) and calls it with them; nothing is added up in Spark's own floating point.

No pandas is needed: Spark 4.1's Arrow functions take and give Arrow arrays. Spark's executors need Python with this package.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

import polars as pl
import pyarrow as pa

from pilotage.core import Conflict, IntegrityError, Refused, Unavailable
from pilotage.core.extras import require
from pilotage.features.algebra.aggregator import AVAILABLE, EVENT, SEQUENCE
from pilotage.features.definition import Aggregate, FeatureView
from pilotage.features.engines.rows import AVAILABLE_AT, EVENT_AT, evaluate_rows, over_evaluated, read_columns
from pilotage.features.expression import Expression, Literal, expression_from_json
from pilotage.features.point_in_time import check_spine, point_in_time
from pilotage.features.rows import check_source, kinds_of

# Operations that Spark computes with the bits of Polars.
NATIVE: Final = frozenset(
    {"add", "subtract", "multiply", "divide", "negative", "power", "sqrt", "abs", "equal", "differ", "less", "at_most", "greater", "at_least"}
    | {"and", "or", "not", "when", "coalesce", "is_null", "is_in", "clip", "hour", "day", "month"}
)
_ROW, _PART = "__row", "__part"
_CONFIG: Final = {
    # A day and an hour are those of UTC, whatever the machine thinks.
    "spark.sql.session.timeZone": "UTC",
    # A division by zero is null, as everywhere here; Spark's ANSI mode would stop the job.
    "spark.sql.ansi.enabled": "false",
    "spark.sql.shuffle.partitions": "8",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
_LOCAL: Final = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.sql.shuffle.partitions": "2"}


class SparkEngine:
    """A Spark at ``master``: ``local[2]`` in this process's own Java, or ``spark://host:7077``.

    Spark keeps one session a process: a second engine shares it. ``source`` and ``spine`` may be Polars frames or Spark data frames.
    """

    def __init__(self, master: str) -> None:
        self.name = master
        self._session: Any = None

    @property
    def session(self) -> Any:
        """The Spark session, started at first use (some ten seconds).

        Raises
        ------
        Unavailable
            If the extra or Java is missing, or Spark does not start.
        Conflict
            If this process has a session on another master, or with settings under which results would differ.
        """
        if self._session is None:
            self._session = _start(self.name)
        return self._session

    def rows(self, view: FeatureView, source: Any) -> pl.DataFrame:
        """As :meth:`.engine.Engine.rows`; Spark evaluates, this process collects, in the order of (sequence, event, available)."""
        frame = self.rows_frame(view, self._frame(view, source))
        names = [*view.entity, EVENT, AVAILABLE, SEQUENCE, *view.columns, *(each.name for each in view.aggregates)]
        rows = _as_polars(frame.toArrow())
        check_source(rows, over_evaluated(view))
        return rows.select(names).sort(SEQUENCE, EVENT, AVAILABLE, maintain_order=True)

    def rows_frame(self, view: FeatureView, source: Any) -> Any:
        """The rows of a Spark data frame as ``view`` sees them: columns as :func:`.rows.evaluate_rows`, and both times as timestamps.

        The one function that batches and the micro-batches of streams run.
        """
        import narwhals as nw

        functions = require("pyspark.sql.functions", extra="spark")
        kinds = kinds_of(_empty_of(source.schema).schema)
        view.kinds(kinds)
        read = dict.fromkeys([*view.source_columns(), view.sequence or SEQUENCE])
        source = source.select(*(_as_read(functions, name, kinds[name]) for name in read))
        wanted = _wanted(view)
        foreign = {name: each for name, each in wanted.items() if not runs_natively(each)}
        if foreign:
            columns = list(dict.fromkeys(name for each in foreign.values() for name in each.columns()))
            source = source.withColumn(
                "__made", _kernel(functions, foreign, {name: kinds[name] for name in columns}, source)(functions.struct(*columns))
            )
            source = source.select(*read, *(functions.col(f"__made.{name}").alias(_hidden(name)) for name in foreign))
        native = {_hidden(name): each.to_narwhals(kinds) for name, each in wanted.items() if name not in foreign}
        source = nw.from_native(source).with_columns(**native).to_native()
        event = functions.col(view.event_time)
        lagged = functions.timestamp_micros(functions.unix_micros(event) + functions.lit(view.lag_us or 0))
        known = lagged if view.available_time is None else functions.col(view.available_time)
        if view.available_time is not None and view.lag_us is not None:
            known = functions.coalesce(known, lagged)
        sequence = functions.col(view.sequence or SEQUENCE)
        if kinds[view.sequence or SEQUENCE] == "timestamp":
            sequence = functions.unix_micros(sequence)
        return source.select(
            *view.entity,
            functions.unix_micros(event).alias(EVENT),
            functions.unix_micros(known).alias(AVAILABLE),
            sequence.cast("long").alias(SEQUENCE),
            event.alias(EVENT_AT),
            known.alias(AVAILABLE_AT),
            *(functions.col(_hidden(name)).alias(name) for name in view.columns),
            *(_taken(functions, each).alias(each.name) for each in view.aggregates),
        )

    def point_in_time(self, spine: Any, source: Any, view: FeatureView, *, time: str | None = None) -> pl.DataFrame:
        """As :meth:`.engine.Engine.point_in_time`. The spine and the answer pass through this process; the source's rows do not.

        Cost: a shuffle of the source by entity; an executor holds the rows of one part of the entities at a time.
        """
        functions = require("pyspark.sql.functions", extra="spark")
        whole = spine.lazy().collect() if isinstance(spine, pl.DataFrame | pl.LazyFrame) else _as_polars(spine.toArrow())
        check_spine(whole, view, time=time)
        moment = time or view.event_time
        asked = whole.select(*view.entity, moment, *view.request_inputs).with_row_index(_ROW).with_columns(pl.col(_ROW).cast(pl.Int64))
        rows = self.rows_frame(view, self._frame(view, source)).drop(EVENT, AVAILABLE)
        spines = self.session.createDataFrame(asked.to_arrow())
        join, empty = _join(functions, over_evaluated(view), moment, _empty_of(spines.schema), _empty_of(rows.schema))
        parts = functions.pmod(functions.xxhash64(*view.entity), functions.lit(int(self.session.conf.get("spark.sql.shuffle.partitions"))))

        def together(frame: Any, name: str) -> Any:
            return frame.groupBy(parts.alias(_PART)).agg(functions.collect_list(functions.struct(*frame.columns)).alias(name))

        made = together(spines, "spine").join(together(rows, "source"), _PART, "left").select(join("spine", "source").alias("made"))
        answer = _as_polars(made.select(functions.explode("made").alias("row")).select("row.*").toArrow()).select(
            pl.col(name).cast(dtype) for name, dtype in empty.schema.items()
        )
        if answer.height != whole.height:
            raise IntegrityError(
                f"Spark answered {answer.height} rows of {whole.height}.", where=f"view '{view.ref}'", mend="report this: it is a bug"
            )
        return whole.hstack(answer.sort(_ROW).drop(_ROW).get_columns())

    def stream(self, view: FeatureView, source: Any, *, sink: Callable[[pl.DataFrame, int], None], checkpoint: str, until_done: bool = True) -> Any:
        """Run the row part of ``view`` over a streaming data frame: each micro-batch goes through :meth:`rows` and then to ``sink``.

        Parameters
        ----------
        sink
            Takes a batch's rows and its number. Spark may hand over a batch again after a failure, with the same number and rows: a sink that
            appends to an event log, which takes each event once, or merges states under the batch's number makes that exactly once.
        checkpoint
            A folder where Spark keeps how far it has come.
        until_done
            Stop when what is there now is worked off; else go on until the query is stopped.

        Returns
        -------
        pyspark.sql.streaming.StreamingQuery
        """

        def hand_over(batch: Any, number: int) -> None:
            sink(self.rows(view, batch), number)

        writer = source.writeStream.foreachBatch(hand_over).option("checkpointLocation", checkpoint)
        return (writer.trigger(availableNow=True) if until_done else writer).start()

    def _frame(self, view: FeatureView, source: Any) -> Any:
        """``source`` as a Spark data frame whose rows have an order where the view needs one."""
        if isinstance(source, pl.DataFrame | pl.LazyFrame):
            frame = read_columns(view, source)
            evaluate_rows(view, frame.clear())
            if view.sequence is None:
                frame = frame.with_row_index(SEQUENCE).with_columns(pl.col(SEQUENCE).cast(pl.Int64))
            return self.session.createDataFrame(frame.to_arrow())
        if view.sequence is None and SEQUENCE not in source.columns:
            raise Refused(
                "The rows of a Spark data frame have no order of their own.",
                where=f"view '{view.ref}'",
                why="two rows of an entity with equal times would win by chance",
                mend=f"declare the view's sequence, or give the frame a whole-number column {SEQUENCE}",
            )
        return source


def runs_natively(expression: Expression) -> bool:
    """Whether Spark computes ``expression`` itself, with the bits of Polars."""
    return expression.functions() <= NATIVE


def _wanted(view: FeatureView) -> dict[str, Expression]:
    """The expressions of a row: of features, of what aggregates take and of their conditions."""
    wanted = dict(view.columns)
    for aggregate in view.aggregates:
        wanted[aggregate.name] = Literal(True) if aggregate.of is None else aggregate.of
        if aggregate.where is not None:
            wanted[_condition(aggregate.name)] = aggregate.where
    return wanted


def _taken(functions: Any, aggregate: Aggregate) -> Any:
    value = functions.col(_hidden(aggregate.name))
    return value if aggregate.where is None else functions.when(functions.col(_hidden(_condition(aggregate.name))), value)


def _condition(name: str) -> str:
    return f"{name}__where"


def _hidden(name: str) -> str:
    return f"__f_{name}"


def _as_read(functions: Any, name: str, kind: str) -> Any:
    column = functions.col(name)
    if kind == "int":
        return column.cast("long").alias(name)
    if kind == "float":
        wide = column.cast("double")
        return functions.when(~functions.isnan(wide) & (functions.abs(wide) != float("inf")), wide).alias(name)
    return column


def _kernel(functions: Any, expressions: Mapping[str, Expression], kinds: Mapping[str, str], source: Any) -> Any:
    """A Spark function from a struct of columns to a struct of expressions' values, computed by Polars."""
    trees = {name: each.to_json() for name, each in expressions.items()}
    given = dict(kinds)

    def compute(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select(expression_from_json(tree).to_polars(given).alias(name) for name, tree in trees.items())

    fields = _arrow(compute(_empty_of(source.select(*kinds).schema)))

    def run(columns: pa.Array) -> pa.Array:
        made = compute(pl.DataFrame(pa.Table.from_struct_array(columns)))
        return made.to_arrow().cast(fields).to_struct_array().combine_chunks()

    return _arrow_function(functions, run, _spark_type(fields))


def _join(functions: Any, view: FeatureView, moment: str, spine: pl.DataFrame, rows: pl.DataFrame) -> tuple[Any, pl.DataFrame]:
    """A Spark function from a list of spine rows and a list of source rows to a list of answers; and the answer to nothing."""
    plain, nothing = view.to_dict(), rows.to_arrow()

    def compute(asked: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
        of = FeatureView.from_dict(plain)
        return point_in_time(asked, known, of, time=moment).select(_ROW, *of.features)

    empty = compute(spine.clear(), rows.clear())
    fields = _arrow(empty)

    def run(spines: pa.Array, sources: pa.Array) -> pa.Array:
        parts, offsets = [fields.empty_table()], [0]
        for asked, known in zip(spines, sources, strict=True):
            source = nothing if known.values is None else pa.Table.from_struct_array(known.values)
            made = compute(pl.DataFrame(pa.Table.from_struct_array(asked.values)), pl.DataFrame(source))
            parts.append(made.to_arrow().cast(fields))
            offsets.append(offsets[-1] + made.height)
        rows = pa.concat_tables(parts).to_struct_array().combine_chunks()
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), rows)

    types = require("pyspark.sql.types", extra="spark")
    return _arrow_function(functions, run, types.ArrayType(_spark_type(fields))), empty


def _arrow_function(functions: Any, run: Any, returns: Any) -> Any:
    with warnings.catch_warnings():
        # It prefers the type in the annotations; ours are texts, which it does not read.
        warnings.filterwarnings("ignore", message="It is preferred to specify type hints", category=UserWarning)
        return functions.arrow_udf(run, returns, functions.ArrowUDFType.SCALAR)


def _arrow(frame: pl.DataFrame) -> pa.Schema:
    """The types of ``frame`` as Spark's Arrow has them: plain strings and lists."""
    return pa.schema([pa.field(name, _plain(kind.type)) for name, kind in zip(frame.columns, frame.to_arrow().schema, strict=True)])


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind) or kind == pa.string_view():
        return pa.string()
    if pa.types.is_large_binary(kind) or kind == pa.binary_view():
        return pa.binary()
    if pa.types.is_large_list(kind):
        return pa.list_(_plain(kind.value_type))
    return pa.string() if pa.types.is_null(kind) else kind


def _spark_type(fields: pa.Schema) -> Any:
    return require("pyspark.sql.pandas.types", extra="spark").from_arrow_schema(fields)


def _empty_of(schema: Any) -> pl.DataFrame:
    """An empty frame with the columns of a Spark schema."""
    types = require("pyspark.sql.pandas.types", extra="spark")
    return _as_polars(types.to_arrow_schema(schema, timezone="UTC").empty_table())


def _as_polars(table: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(table)


def _start(master: str) -> Any:
    sql = require("pyspark.sql", extra="spark")
    if not shutil.which("java") and not os.environ.get("JAVA_HOME"):
        raise Unavailable("Spark needs Java, and there is none.", mend="install Java 17 or 21, or use the engine 'polars'")
    found = sql.SparkSession.getActiveSession()
    if found is None:
        builder = sql.SparkSession.builder.master(master).appName("pilotage")
        for name, value in {**_CONFIG, **(_LOCAL if master.startswith("local") else {})}.items():
            builder = builder.config(name, value)
        try:
            found = builder.getOrCreate()
        except Exception as error:  # Spark says it in many classes of its own
            raise Unavailable(
                f"Spark does not start: {error}", where=master, mend="check the address and the Java, or use the engine 'polars'"
            ) from error
        found.sparkContext.setLogLevel("ERROR")
    for name in ("spark.sql.session.timeZone", "spark.sql.ansi.enabled"):
        if found.conf.get(name) != _CONFIG[name]:
            raise Conflict(
                f"The Spark session of this process has {name}={found.conf.get(name)}.",
                why="features would come out otherwise than elsewhere",
                mend=f"set it to {_CONFIG[name]}, or let Pilotage start the session",
            )
    if found.sparkContext.master != master:
        raise Conflict(
            f"This process already has a Spark session on {found.sparkContext.master}, not {master}.",
            mend="use one master a process",
        )
    return found
