"""Other people's readers on what riffle gives: `interop-formats.py RIFFLE REFERENCE MOUNT FILES`.

RIFFLE is the command as JSON, REFERENCE an artifact, MOUNT where it is mounted, FILES the files that were pushed.
Prints one line of JSON for each check: {"name", "ok", "note"}.
"""

import io
import json
import subprocess
import sys

import duckdb
import numpy
import polars
import pyarrow
import pyarrow.ipc
import pyarrow.parquet

riffle, reference, mount, files = json.loads(sys.argv[1]), *sys.argv[2:5]
TABLE = "trips.parquet"


def run(*words):
    done = subprocess.run([*riffle, *words], capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())
    return done.stdout


def table(*words):
    return pyarrow.ipc.open_stream(io.BytesIO(run("table", reference, TABLE, "--format", "arrow", *words))).read_all()


def same(found, expected):
    if not found.cast(expected.schema).equals(expected):
        raise AssertionError(f"{found.num_rows} rows of {found.schema}, not {expected.num_rows} of {expected.schema}")
    return f"{found.num_rows} rows, {found.num_columns} columns"


def arrow_stream():
    return same(table(), pyarrow.parquet.read_table(f"{files}/{TABLE}"))


def filtered():
    where = "station LIKE 'station_1%' AND id BETWEEN 40000 AND 61000 AND NOT flag"
    expected = duckdb.sql(f"SELECT id, fare, \"at\" FROM '{files}/{TABLE}' WHERE {where}").arrow()
    expected = expected.read_all() if hasattr(expected, "read_all") else expected
    return same(table("--columns", "id,fare,at", "--where", where), expected)


def csv_of():
    text = run("table", reference, TABLE, "--columns", "id,station,fare", "--limit", "500", "--format", "csv")
    found = polars.read_csv(io.BytesIO(text))
    expected = polars.read_parquet(f"{files}/{TABLE}", columns=["id", "station", "fare"]).head(500)
    if found["id"].to_list() != expected["id"].to_list() or found["station"].to_list() != expected["station"].to_list():
        raise AssertionError("the CSV differs")
    if [f"{fare:.2f}" for fare in found["fare"].to_list()] != [f"{fare:.2f}" for fare in expected["fare"].to_list()]:
        raise AssertionError("the decimals differ")
    return f"{len(found)} rows"


def over_the_mount():
    query = "SELECT station, sum(fare), count(*) FROM '{}/trips.parquet' GROUP BY 1 ORDER BY 1"
    if duckdb.sql(query.format(mount)).fetchall() != duckdb.sql(query.format(files)).fetchall():
        raise AssertionError("DuckDB's answers differ")
    lazy = polars.scan_parquet(f"{mount}/{TABLE}").filter(polars.col("id") < 30000).select(polars.col("id").sum())
    plain = polars.scan_parquet(f"{files}/{TABLE}").filter(polars.col("id") < 30000).select(polars.col("id").sum())
    if lazy.collect().item() != plain.collect().item():
        raise AssertionError("the answers of polars differ")
    return same(
        pyarrow.parquet.read_table(f"{mount}/{TABLE}", columns=["m3", "at"]),
        pyarrow.parquet.read_table(f"{files}/{TABLE}", columns=["m3", "at"]),
    )


def array_slice():
    found = numpy.load(io.BytesIO(run("array", reference, "cube.npy", "--slice", "1:3,:,::2", "--format", "npy")))
    expected = numpy.load(f"{files}/cube.npy")[1:3, :, ::2]
    if found.dtype != expected.dtype or not numpy.array_equal(found, expected):
        raise AssertionError("the array differs")
    return f"{found.shape} {found.dtype}"


def raster_npy():
    found = numpy.load(
        io.BytesIO(run("raster", reference, "scene.tif", "--window", "700,300,400,400", "--format", "npy"))
    )
    expected = numpy.fromfile(f"{files}/../right.raw", dtype="<u2").reshape(400, 400)
    if not numpy.array_equal(found.reshape(400, 400), expected):
        raise AssertionError("the pixels differ from GDAL's")
    return f"{found.shape} {found.dtype}"


CHECKS = {
    "riffle table as Arrow, read by pyarrow": arrow_stream,
    "riffle table --where, against DuckDB": filtered,
    "riffle table as CSV, read by polars": csv_of,
    "DuckDB, polars and pyarrow over the mount": over_the_mount,
    "riffle array, read by NumPy": array_slice,
    "riffle raster, read by NumPy, against GDAL": raster_npy,
}
for name, check in CHECKS.items():
    try:
        line = {"name": name, "ok": True, "note": check()}
    except Exception as error:  # every failure is a line, and the next check runs
        line = {"name": name, "ok": False, "note": f"{type(error).__name__}: {error}"}
    print(json.dumps(line), flush=True)
