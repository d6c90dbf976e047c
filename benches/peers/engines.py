"""The peers. Each can `load` the generator's file into a directory, `open` it, `rows` a query, and `close`. Two threads at most."""

import io
import json
import os
import pathlib
import shutil
import subprocess

THREADS = 2
COLUMNS = (
    "id ts tenant session user_id kind name status duration_ms error_code error_message bytes_in bytes_out ip country client "
    "client_version user_agent server params"
).split()


def size(directory: str) -> int:
    return sum(file.stat().st_size for file in pathlib.Path(directory).rglob("*") if file.is_file())


class Chdb:
    """ClickHouse in this process, with types, codecs and order as one would tune them by hand."""

    name = "chdb"
    READ = (
        "id String, ts Int64, tenant String, session String, user_id Nullable(String), kind String, name Nullable(String), status String, "
        "duration_ms Float64, error_code Nullable(String), error_message Nullable(String), bytes_in UInt32, bytes_out UInt32, ip String, "
        "country String, client String, client_version String, user_agent String, server String, params String"
    )
    LOW = "LowCardinality(String)"
    LOW_NULL = "LowCardinality(Nullable(String))"
    TYPES = {
        "id": "UUID", "session": "String", "user_id": "Nullable(String)", "kind": LOW, "name": LOW_NULL, "status": LOW, "tenant": LOW,
        "duration_ms": "Float64", "error_code": LOW_NULL, "error_message": LOW_NULL, "bytes_in": "UInt32", "bytes_out": "UInt32",
        "ip": "IPv4", "country": LOW, "client": LOW, "client_version": LOW, "user_agent": LOW, "server": LOW, "params": "String",
    }

    def open(self, directory: str) -> None:
        from chdb import session

        self.session = session.Session(directory)
        for setting in ("max_threads", "max_insert_threads"):
            self.session.query(f"SET {setting}={THREADS}")
        self.session.query("SET input_format_json_read_objects_as_strings=1")
        self.session.query("CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic")
        self.session.query("USE bench")

    def create(self, directory: str, synced: bool = False) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        self.open(directory)
        columns = [
            "ts Int64 CODEC(Delta(8), ZSTD(3))" if column == "ts" else f"{column} {self.TYPES[column]} CODEC(ZSTD(3))"
            for column in COLUMNS
        ]
        settings = " SETTINGS fsync_after_insert=1, fsync_part_directory=1" if synced else ""
        self.session.query(
            f"CREATE TABLE events ({', '.join(columns)}, INDEX by_session session TYPE bloom_filter(0.01) GRANULARITY 1) "
            f"ENGINE = MergeTree PARTITION BY intDiv(ts, 86400000) ORDER BY (tenant, ts){settings}"
        )

    def insert(self, file: str) -> None:
        self.session.query(f"INSERT INTO events SELECT * FROM file('{file}', 'JSONEachRow', '{self.READ}')")

    def load(self, file: str, directory: str) -> None:
        self.create(directory)
        self.insert(file)

    def finish(self) -> int:
        self.session.query("OPTIMIZE TABLE events FINAL")
        bytes_sql = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table='events'"
        return int(self.session.query(bytes_sql, "CSV").bytes().decode())

    def fetch(self, sql: str) -> None:
        self.session.query(sql, "Arrow").bytes()

    def rows(self, sql: str) -> list[list]:
        return json.loads(self.session.query(sql, "JSONCompact").bytes())["data"]

    def cpu(self) -> float:
        return 0.0

    def close(self) -> None:
        self.session.close()


class Duck:
    """DuckDB, sorted by tenant and time."""

    name = "duckdb"
    TYPES = {
        "id": "UUID", "ts": "BIGINT", "duration_ms": "DOUBLE", "bytes_in": "UINTEGER", "bytes_out": "UINTEGER", "params": "JSON",
    }

    def open(self, directory: str) -> None:
        import duckdb

        self.directory = directory
        self.connection = duckdb.connect(f"{directory}/events.duckdb")
        self.connection.execute(f"SET threads={THREADS}")

    def load(self, file: str, directory: str) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        self.open(directory)
        columns = ", ".join(f"{column}: '{self.TYPES.get(column, 'VARCHAR')}'" for column in COLUMNS)
        read = f"read_json('{file}', format='newline_delimited', columns={{{columns}}})"
        self.connection.execute(f"CREATE TABLE events AS SELECT * FROM {read} ORDER BY tenant, ts")
        self.connection.execute("CHECKPOINT")

    def finish(self) -> int:
        return size(self.directory)

    def fetch(self, sql: str) -> None:
        self.connection.sql(sql).to_arrow_table()

    def rows(self, sql: str) -> list[list]:
        return [list(row) for row in self.connection.execute(sql).fetchall()]

    def cpu(self) -> float:
        return 0.0

    def close(self) -> None:
        self.connection.close()


class Postgres:
    """A cluster of its own behind a socket in its directory, with the two indexes that the queries want."""

    name = "postgres"
    BIN = "/usr/lib/postgresql/15/bin"
    SETTINGS = "-c listen_addresses='' -c shared_buffers=1GB -c work_mem=128MB -c max_wal_size=4GB -c max_parallel_workers_per_gather=1 -c jit=off"
    TYPES = {"id": "uuid", "ts": "bigint", "duration_ms": "float8", "bytes_in": "int", "bytes_out": "int", "ip": "inet", "params": "jsonb"}

    def _run(self, *command: str) -> None:
        subprocess.run(["runuser", "-u", "postgres", "--", *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def open(self, directory: str) -> None:
        import psycopg2

        self.directory = directory
        options = f"{self.SETTINGS} -k {directory}"
        self._run(f"{self.BIN}/pg_ctl", "-D", f"{directory}/pg", "-w", "-l", f"{directory}/log", "-o", options, "start")
        self.connection = psycopg2.connect(host=directory, user="postgres", dbname="postgres")
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()

    def create(self, directory: str) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        shutil.chown(directory, "postgres")
        self._run(f"{self.BIN}/initdb", "-D", f"{directory}/pg", "-A", "trust", "--no-sync")
        self.open(directory)
        self.cursor.execute("CREATE TABLE events (" + ", ".join(f"{c} {self.TYPES.get(c, 'text')}" for c in COLUMNS) + ")")
        self.cursor.execute("CREATE INDEX by_time ON events(tenant, ts)")
        self.cursor.execute("CREATE INDEX by_session ON events(session)")

    @staticmethod
    def text(line: bytes) -> str:
        """One line of COPY."""
        import orjson

        event = orjson.loads(line)
        event["params"] = orjson.dumps(event["params"]).decode()
        values = (event.get(column) for column in COLUMNS)
        return "\t".join("\\N" if v is None else str(v).replace("\\", "\\\\").replace("\t", " ") for v in values) + "\n"

    def copy(self, lines: list[bytes]) -> None:
        self.cursor.copy_expert("COPY events FROM STDIN", io.StringIO("".join(map(self.text, lines))))

    def load(self, file: str, directory: str) -> None:
        self.create(directory)
        with open(file, "rb") as events:
            while lines := events.readlines(32 << 20):
                self.copy(lines)
        self.cursor.execute("ANALYZE events")

    def finish(self) -> int:
        self.cursor.execute("VACUUM ANALYZE events")
        self.cursor.execute("SELECT pg_total_relation_size('events')")
        return self.cursor.fetchone()[0]

    def fetch(self, sql: str) -> None:
        self.rows(sql)

    def rows(self, sql: str) -> list[list]:
        self.cursor.execute(sql)
        return [list(row) for row in self.cursor.fetchall()]

    def cpu(self) -> float:
        """Processor time of the cluster's processes, those that have ended included."""
        server = int(pathlib.Path(self.directory, "pg/postmaster.pid").read_text().split()[0])
        ticks = 0
        for process in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = process.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == server or int(process.parent.name) == server:
                ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.connection.close()
        self._run(f"{self.BIN}/pg_ctl", "-D", f"{self.directory}/pg", "-w", "-m", "fast", "stop")


ENGINES = {engine.name: engine for engine in (Chdb, Duck, Postgres)}
